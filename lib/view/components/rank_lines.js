// Two rankings, one above the other, with lines between the places of the same photo.

import { element, verdict } from "./dom.js";
import { markable } from "./mark_buttons.js";
import { photoButton } from "./photo_button.js";
import { rankLines } from "./rank_geometry.js";
import { rebuild } from "./rebuild.js";
import { explainable } from "./why_button.js";

const SVG = "http://www.w3.org/2000/svg";
const STEP = 100; // of the lines' image, per column

// Light up the tiles and the line of one photo; null lights up all.
function highlight(ladder, id) {
  ladder.classList.toggle("fade", id !== null);
  for (const node of ladder.querySelectorAll("[data-of]")) node.classList.toggle("lit", node.dataset.of === id);
}

function rankedPhoto(item, chosen, handlers) {
  const marks = [element("span", "badge", item.badge)];
  if (item.right !== null) {
    marks.push(verdict(item.right, `verdict ${item.right ? "right" : "wrong"}`, item.right ? "✓" : "✗"));
  }
  return photoButton(item, { chosen, marks, heading: [element("div", "label", item.label)], ...handlers });
}

function step(item, ladder, data, handlers) {
  const photo = rankedPhoto(item, data.chosen, handlers);
  const box = explainable(photo, item.id, data.explained, (id) => ladder.trigger("why", id));
  if (data.marks) markable(box, item.id, data.marks[item.id], (mark, id) => ladder.trigger(mark, id));
  box.classList.add("step");
  box.dataset.of = item.id;
  for (const [event, id] of [
    ["mouseenter", item.id],
    ["mouseleave", null],
    ["focusin", item.id],
    ["focusout", null],
  ]) {
    box.addEventListener(event, () => highlight(ladder, id));
  }
  return box;
}

function ranking(steps, title, empty) {
  const node = element("div", "side");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", title);
  if (steps.length) node.append(...steps);
  else node.append(element("div", "none", empty));
  return node;
}

function head([title, ...notes]) {
  const node = element("div", "head");
  node.append(element("h3", "", title), ...notes.filter(Boolean).map((note) => element("div", "", note)));
  return node;
}

function lines(data, columns) {
  const image = document.createElementNS(SVG, "svg");
  image.setAttribute("viewBox", `0 0 ${STEP * columns} 100`);
  image.setAttribute("preserveAspectRatio", "none");
  image.setAttribute("role", "img");
  image.setAttribute("aria-label", data.about);
  for (const line of rankLines(data.upper, data.lower, STEP)) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line.path);
    path.setAttribute("class", line.isStub ? "stub" : "");
    path.setAttribute("vector-effect", "non-scaling-stroke");
    path.style.stroke = line.colour;
    path.dataset.of = line.id;
    image.append(path);
  }
  return image;
}

export default function rankLinesComponent({ parentElement, data, setTriggerValue }) {
  let ladder = parentElement.querySelector(".ladder");
  if (!ladder) {
    ladder = element("div");
    parentElement.appendChild(ladder);
  }
  const columns = Math.max(data.upper.length, data.lower.length, 1);
  ladder.className = "ladder";
  ladder.style.setProperty("--columns", columns);
  rebuild(ladder, data, setTriggerValue, (handlers) => {
    const steps = (items) => items.map((item) => step(item, ladder, data, handlers));
    return [
      head(data.heads[0]),
      ranking(steps(data.upper), data.titles[0], data.empty),
      element("div", "head"),
      lines(data, columns),
      head(data.heads[1]),
      ranking(steps(data.lower), data.titles[1], data.empty),
    ];
  });
}
