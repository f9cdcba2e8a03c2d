// The small button on a result that asks why it is so close. It lies beside the photo's own button, not in it.

import { element } from "./dom.js";

export function whyButton(id, explained, onWhy) {
  const why = element("span", id === explained ? "why on" : "why", "why?");
  why.setAttribute("role", "button");
  why.setAttribute("aria-label", `why ${id}`);
  why.setAttribute("aria-expanded", String(id === explained));
  why.tabIndex = 0;
  why.onclick = () => onWhy(id);
  why.onkeydown = (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      why.onclick();
    }
  };
  return why;
}

// `photo` with a "why?" in the corner of its picture.
export function explainable(photo, id, explained, onWhy) {
  const cell = element("div", "cell");
  const corner = element("div", "corner");
  corner.append(whyButton(id, explained, onWhy));
  cell.append(photo, corner);
  return cell;
}
