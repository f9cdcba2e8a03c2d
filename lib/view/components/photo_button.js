// A photo as a button, which grids and rankings consist of.

import { element } from "./dom.js";

// How long a click waits for a second one, ms: a double click opens the photo and must not make it the query first.
// Enter, and what a screen reader presses, wait for nothing.
export const SECOND_CLICK = 220;

// `marks` lie on the photo, `heading` stands above the notes in its caption. `chosen` is the id of the marked photo.
// With `onOpen`, a double click, the Space key and the corner of the photo open it.
export function photoButton(item, { chosen, marks = [], heading, onPick, onOpen = null }) {
  const button = element("button", item.id === chosen ? "chosen" : "");
  button.type = "button";
  button.title = onOpen ? `${item.id}\nDouble click or Space: look at the photo` : item.id;
  button.dataset.id = item.id;
  button.style.setProperty("--mark", item.colour);
  const image = element("img");
  image.src = item.src;
  image.alt = item.alt;
  image.loading = "lazy";
  const photo = element("div", "photo");
  photo.append(image);
  const caption = element("div", "caption");
  caption.append(...heading, ...item.notes.map((line) => element("div", "note", line)));
  button.append(photo, ...marks, caption);
  button.onclick = () => onPick(item.id);
  if (onOpen) openable(button, photo, item.id, onPick, onOpen);
  return button;
}

function openable(button, photo, id, onPick, onOpen) {
  let waiting = null;
  const open = () => {
    clearTimeout(waiting);
    button.classList.remove("picking");
    onOpen(id, button);
  };
  button.onclick = ({ detail }) => {
    if (detail === 0) onPick(id);
    else if (detail === 1) {
      button.classList.add("picking"); // seen at once, so that the wait is not
      waiting = setTimeout(() => onPick(id), SECOND_CLICK);
    } else if (detail === 2) open();
  };
  button.setAttribute("aria-keyshortcuts", "Space");
  button.onkeydown = (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    if (!event.repeat) open();
  };
  // Firefox clicks a button when Space is released.
  button.onkeyup = (event) => {
    if (event.key === " ") event.preventDefault();
  };
  // For the pointer only: a control inside a button is none for the keyboard, which has Space.
  const corner = element("span", "open", "⤢");
  corner.setAttribute("aria-hidden", "true");
  corner.onclick = (event) => {
    event.stopPropagation();
    open();
  };
  photo.append(corner);
}
