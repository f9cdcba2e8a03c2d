// Two rankings side by side, with lines between the rows of the same photo.

import { element, verdict } from "./dom.js";
import { photoButton } from "./photo_button.js";
import { rankLines } from "./rank_geometry.js";
import { rebuild } from "./rebuild.js";

const SVG = "http://www.w3.org/2000/svg";
const MIN_STEP_WITH_WHY = 60; // px

// Light up the rows and the line of one photo; null lights up all.
function highlight(ladder, id) {
  ladder.classList.toggle("fade", id !== null);
  for (const node of ladder.querySelectorAll("[data-of]")) node.classList.toggle("lit", node.dataset.of === id);
}

function rankedPhoto(item, chosen, handlers) {
  const label = element("div", "label", item.label);
  if (item.right !== null) {
    label.append(verdict(item.right, item.right ? "right-mark" : "wrong-mark", item.right ? " ✓" : " ✗"));
  }
  return photoButton(item, { chosen, heading: [element("div", "ways", item.badge), label], ...handlers });
}

function whyButton(id, explained, onWhy) {
  const why = element("span", id === explained ? "why on" : "why", "why?");
  why.setAttribute("role", "button");
  why.setAttribute("aria-label", `why ${id}`);
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

function row(item, ladder, data, handlers) {
  const box = element("div", "step");
  box.dataset.of = item.id;
  box.append(rankedPhoto(item, data.chosen, handlers));
  if (data.step >= MIN_STEP_WITH_WHY) box.append(whyButton(item.id, data.explained, (id) => ladder.trigger("why", id)));
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

function column(rows, side, title, empty) {
  const node = element("div", `side ${side}`);
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", title);
  if (rows.length) node.append(...rows);
  else node.append(element("div", "none", empty));
  return node;
}

function head(side, [title, note]) {
  const node = element("div", `head ${side}`, title);
  node.append(element("small", "", note));
  return node;
}

function lines(data) {
  const height = data.step * Math.max(data.left.length, data.right.length, 1);
  const image = document.createElementNS(SVG, "svg");
  image.setAttribute("viewBox", `0 0 100 ${height}`);
  image.setAttribute("preserveAspectRatio", "none");
  image.setAttribute("height", height);
  image.setAttribute("role", "img");
  image.setAttribute("aria-label", data.about);
  for (const line of rankLines(data.left, data.right, data.step)) {
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
  ladder.className = "ladder";
  ladder.style.setProperty("--step", `${data.step}px`);
  ladder.style.setProperty("--right", "light-dark(#00795a, #4fd1a5)");
  ladder.style.setProperty("--wrong", "light-dark(#b34700, #ff9d5c)");
  rebuild(ladder, data, setTriggerValue, (handlers) => {
    const rows = (items) => items.map((item) => row(item, ladder, data, handlers));
    return [
      head("left", data.heads[0]),
      head("right", data.heads[1]),
      column(rows(data.left), "left", data.titles[0], data.empty),
      lines(data),
      column(rows(data.right), "right", data.titles[1], data.empty),
    ];
  });
}
