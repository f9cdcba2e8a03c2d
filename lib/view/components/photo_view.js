// One photo, scaled to fit, with the one before and the one after it a key or a click away.

import { element } from "./dom.js";
import { labelControls } from "./label_controls.js";
import { actionOf } from "./label_keys.js";

const WAYS = [
  ["previous", "ArrowLeft", "Previous photo", "‹"],
  ["following", "ArrowRight", "Next photo", "›"],
];

function typing(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable], [role=tablist]");
}

// Whether a key belongs to the label review, which then has carried it out.
function onReviewKey(view, event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return false;
  if (event.key === "Escape" && view.controls.isChoosing()) {
    view.controls.close();
    return true;
  }
  const target = event.composedPath()[0];
  const presses = event.key === "Enter" && target instanceof Element && target.closest("button, a");
  const action = typing(target) || presses ? null : actionOf(event.key);
  if (!action || event.repeat) return Boolean(action);
  view.controls.act(action);
  return true;
}

export default function photoView({ parentElement, data, setTriggerValue }) {
  let view = parentElement.querySelector(".view");
  if (!view) {
    view = element("div", "view");
    const note = element("p", "note");
    note.setAttribute("aria-live", "polite");
    view.parts = { photo: element("img", "photo"), note };
    const bar = element("div", "bar");
    for (const [way, key, title, sign] of WAYS) {
      const button = element("button", way, sign);
      button.type = "button";
      button.title = `${title} (${key === "ArrowLeft" ? "←" : "→"})`;
      button.setAttribute("aria-label", title);
      button.setAttribute("aria-keyshortcuts", key);
      button.onclick = () => view.move(way);
      view.parts[way] = button;
    }
    bar.append(view.parts.previous, note, view.parts.following);
    view.append(view.parts.photo, bar);
    if (data.review) {
      const focus = () => view.focus({ preventScroll: true });
      view.controls = labelControls((action, label) => view.decide(action, label), focus);
      view.append(view.controls.node);
      // Keys are for the photo from the start: the dialog would give the focus to the button that closes it.
      view.tabIndex = -1;
      setTimeout(focus, 60);
    }
    parentElement.appendChild(view);
  }
  view.decide = (action, label) => setTriggerValue("acted", JSON.stringify([action, label, data.review.id]));
  view.move = (way) => {
    if (data[way] !== null) setTriggerValue("moved", data[way]);
  };
  const { photo, note } = view.parts;
  photo.hidden = !data.src;
  if (photo.getAttribute("src") !== data.src) photo.src = data.src;
  photo.alt = data.alt;
  photo.width = data.size[0];
  photo.height = data.size[1];
  photo.style.maxWidth = `min(100%, ${data.size[0]}px)`;
  note.textContent = data.note;
  view.controls?.update(data.review);
  for (const [way] of WAYS) view.parts[way].setAttribute("aria-disabled", String(data[way] === null));

  const onKey = (event) => {
    if (view.controls && onReviewKey(view, event)) {
      event.preventDefault();
      event.stopImmediatePropagation(); // Escape closes the chooser, and not the dialog with it
      return;
    }
    const found = WAYS.find(([, key]) => key === event.key);
    if (!found || event.altKey || event.ctrlKey || event.metaKey || typing(event.composedPath()[0])) return;
    event.preventDefault();
    view.move(found[0]);
  };
  if (view.onKey) window.removeEventListener("keydown", view.onKey, true);
  window.addEventListener("keydown", onKey, true);
  view.onKey = onKey;
  return () => {
    window.removeEventListener("keydown", onKey, true);
    const opener = window.petalscopeOpener;
    // When the dialog has gone, the focus returns to the photo that it was opened from.
    setTimeout(() => {
      if (!view.isConnected && opener?.isConnected) opener.focus({ preventScroll: true });
    }, 60);
  };
}
