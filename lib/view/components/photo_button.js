// A photo as a button, which grids and rankings consist of.

import { element } from "./dom.js";

// `marks` lie on the photo, `heading` stands above the notes in its caption. `chosen` is the id of the marked photo.
export function photoButton(item, { chosen, marks = [], heading, onPick }) {
  const button = element("button", item.id === chosen ? "chosen" : "");
  button.type = "button";
  button.title = item.id;
  button.dataset.id = item.id;
  button.style.setProperty("--mark", item.colour);
  const image = element("img");
  image.src = item.src;
  image.alt = item.alt;
  image.loading = "lazy";
  const caption = element("div", "caption");
  caption.append(...heading, ...item.notes.map((line) => element("div", "note", line)));
  button.append(image, ...marks, caption);
  button.onclick = () => onPick(item.id);
  return button;
}
