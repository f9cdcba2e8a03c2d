// Reports, once, that the browser has drawn the page, so that what lies below the first screen can follow.

const PAUSE = 60; // ms after the first frame, in which it is painted

const reported = new WeakSet(); // the elements of this component that have reported

export default function drawn({ parentElement, setStateValue }) {
  if (reported.has(parentElement)) return undefined;
  let timer = 0;
  const frame = requestAnimationFrame(() => {
    timer = setTimeout(() => {
      reported.add(parentElement);
      setStateValue("drawn", true);
    }, PAUSE);
  });
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}
