// Serves the photo of the point under the pointer: the chart's request goes to the server, the server's photo to the
// chart. Both are events of the window, since two components of a page cannot reach each other.

export default function serveHoverPhotos({ parentElement, data, setTriggerValue }) {
  const request = ({ detail }) => {
    if (detail.chart === data.chart) setTriggerValue("hovered", detail.row);
  };
  window.removeEventListener("petalscope-hover", parentElement.request); // of the last call
  window.addEventListener("petalscope-hover", request);
  parentElement.request = request;
  window.dispatchEvent(new CustomEvent("petalscope-photo", { detail: data }));
  return () => window.removeEventListener("petalscope-hover", request);
}
