// Photos in a grid, each a button.

import { element, verdict } from "./dom.js";
import { photoButton } from "./photo_button.js";
import { rebuild } from "./rebuild.js";

function tile(item, chosen, handlers) {
  const marks = [];
  if (item.badge) marks.push(element("span", "badge", item.badge));
  if (item.right !== null) {
    marks.push(verdict(item.right, `verdict ${item.right ? "right" : "wrong"}`, item.right ? "✓" : "✗"));
  }
  return photoButton(item, { chosen, marks, heading: [element("div", "label", item.label)], ...handlers });
}

export default function gallery({ parentElement, data, setTriggerValue }) {
  let grid = parentElement.querySelector(".grid");
  if (!grid) {
    grid = element("div");
    parentElement.appendChild(grid);
  }
  grid.className = data.row ? "grid row" : "grid";
  grid.style.setProperty("--tile", `${data.tile}px`);
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", data.title);
  rebuild(grid, data, setTriggerValue, (handlers) => data.items.map((item) => tile(item, data.chosen, handlers)));
}
