// An image on which the user draws the crop to search with.

import { boxBetween, isLargeEnough, percentAt } from "./crop_geometry.js";
import { element } from "./dom.js";

export default function cropBox({ parentElement, data, setTriggerValue }) {
  let frame = parentElement.querySelector(".crop");
  if (!frame) {
    frame = element("div", "crop");
    frame.append(element("img"), element("div", "part"));
    parentElement.appendChild(frame);
  }
  const [image, part] = frame.children;
  if (image.src !== data.src) image.src = data.src;
  image.alt = data.alt;
  const show = ([left, top, right, bottom]) =>
    Object.assign(part.style, {
      left: `${left}%`,
      top: `${top}%`,
      width: `${right - left}%`,
      height: `${bottom - top}%`,
    });
  show(data.box);
  const position = (event) => percentAt(frame.getBoundingClientRect(), event.clientX, event.clientY);
  let start = null;
  frame.onpointerdown = (event) => {
    start = position(event);
    frame.setPointerCapture(event.pointerId);
  };
  frame.onpointermove = (event) => {
    if (start) show(boxBetween(start, position(event)));
  };
  frame.onpointercancel = () => {
    start = null;
    show(data.box);
  };
  frame.onpointerup = (event) => {
    if (!start) return;
    const box = boxBetween(start, position(event));
    start = null;
    if (isLargeEnough(box, data.least)) setTriggerValue("drawn", box.join(","));
    else show(data.box);
  };
}
