// Photos in a grid, each a button.

import { element, verdict } from "./dom.js";
import { markable } from "./mark_buttons.js";
import { photoButton } from "./photo_button.js";
import { rebuild } from "./rebuild.js";
import { explainable } from "./why_button.js";

function tile(item, data, grid, handlers) {
  const marks = [];
  if (item.badge) marks.push(element("span", "badge", item.badge));
  if (item.right !== null) {
    marks.push(verdict(item.right, `verdict ${item.right ? "right" : "wrong"}`, item.right ? "✓" : "✗"));
  }
  const heading = [element("div", "label", item.label)];
  const photo = photoButton(item, { chosen: data.chosen, marks, heading, ...handlers });
  if (!data.why) return photo;
  const cell = explainable(photo, item.id, data.explained, (id) => grid.trigger("why", id));
  return data.marks ? markable(cell, item.id, data.marks[item.id], (mark, id) => grid.trigger(mark, id)) : cell;
}

export default function gallery({ parentElement, data, setTriggerValue }) {
  let grid = parentElement.querySelector(".grid");
  if (!grid) {
    grid = element("div");
    parentElement.appendChild(grid);
  }
  grid.className = ["grid", data.row ? "row" : "", data.bare ? "bare" : ""].filter(Boolean).join(" ");
  grid.style.setProperty("--tile", `${data.tile}px`);
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", data.title);
  rebuild(grid, data, setTriggerValue, (handlers) => data.items.map((item) => tile(item, data, grid, handlers)));
}
