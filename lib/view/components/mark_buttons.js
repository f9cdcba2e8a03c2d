// "Yes" and "no" under a result: right or wrong for what the user needs. They lie beside the photo's own button.

import { element } from "./dom.js";

const MARKS = [
  { mark: "yes", word: "right", text: "✓ yes", key: "y" },
  { mark: "no", word: "wrong", text: "✗ no", key: "n" },
];

// `marked` is "yes", "no" or undefined. A second press takes a mark back, which is for `onMark` to know.
function markButton({ mark, word, text, key }, id, marked, onMark) {
  const button = element("span", `mark ${mark}${marked === mark ? " on" : ""}`, text);
  button.setAttribute("role", "button");
  button.setAttribute("aria-label", `${word} for this need: ${id}`);
  button.setAttribute("aria-pressed", String(marked === mark));
  button.setAttribute("aria-keyshortcuts", key);
  button.title = `Mark as ${word} for what you look for: the query moves (key ${key} on the photo)`;
  button.tabIndex = 0;
  button.dataset.id = id;
  button.dataset.mark = mark;
  button.onclick = () => onMark(mark, id);
  button.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (!event.repeat) button.onclick();
  };
  return button;
}

// `cell` with the two buttons under its photo; the keys y and n press them wherever the focus is in the cell.
export function markable(cell, id, marked, onMark) {
  const row = element("div", "marks");
  row.append(...MARKS.map((each) => markButton(each, id, marked, onMark)));
  cell.append(row);
  cell.onkeydown = (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const pressed = MARKS.find(({ key }) => key === event.key.toLowerCase());
    if (pressed) onMark(pressed.mark, id);
  };
  return cell;
}
