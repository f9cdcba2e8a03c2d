// Photos in a grid, each a button.

import { element, verdict } from "./dom.js";

function tile(item, chosen, onPick) {
  const button = element("button", item.id === chosen ? "chosen" : "");
  button.type = "button";
  button.title = item.id;
  button.dataset.id = item.id;
  button.style.setProperty("--mark", item.colour);
  const image = element("img");
  image.src = item.src;
  image.alt = item.alt;
  image.loading = "lazy";
  button.append(image);
  if (item.badge) button.append(element("span", "badge", item.badge));
  if (item.right !== null) {
    button.append(verdict(item.right, `verdict ${item.right ? "right" : "wrong"}`, item.right ? "✓" : "✗"));
  }
  const words = element("div", "words");
  words.append(element("div", "label", item.label));
  for (const line of item.notes) words.append(element("div", "note", line));
  button.append(words);
  button.onclick = () => onPick(item.id);
  return button;
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
  grid.replaceChildren(...data.items.map((item) => tile(item, data.chosen, (id) => setTriggerValue("picked", id))));
}
