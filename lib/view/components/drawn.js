// Reports, once, that the browser has drawn the page, so that what lies below the first screen can follow.

export default function drawn({ setStateValue }) {
  // The first frame comes with what is here now; the pause lets it be painted.
  const frame = requestAnimationFrame(() => {
    timer = setTimeout(() => setStateValue("drawn", true), 60);
  });
  let timer = 0;
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}
