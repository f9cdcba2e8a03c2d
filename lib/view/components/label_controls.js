// The controls of a label review below a photo: what is doubted and why, a button for each key, and a chooser of classes.

import { element } from "./dom.js";
import { choices, KEYS, matching } from "./label_keys.js";

const MOST_CHOICES = 40; // buttons at once; a text in the field narrows the others down

// A part to be put into the view; `update(review)` shows a photo's review, `act(action)` carries out a key, and `send`
// is called with an action and a class. `focusView` gets the focus when the chooser is closed: else the dialog would lose
// it, and with it the Escape key.
export function labelControls(send, focusView) {
  const node = element("div", "review");
  const heading = element("p", "heading");
  const reasons = element("ul", "reasons");
  const buttons = element("div", "actions");
  const progress = element("p", "note");
  const chooser = element("div", "chooser");
  const field = element("input");
  const list = element("div", "classes");
  const byAction = {};
  let review = null;

  for (const [key, action, title] of KEYS) {
    const button = element("button", action);
    button.type = "button";
    button.append(element("kbd", "", key === "Enter" ? "↵" : key.toUpperCase()), element("span", "", title));
    button.setAttribute("aria-keyshortcuts", key);
    button.onclick = () => act(action);
    byAction[action] = button;
    buttons.append(button);
  }
  field.type = "text";
  field.maxLength = 200;
  field.placeholder = "Class, or its number";
  field.setAttribute("aria-label", "Class");
  field.oninput = showChoices;
  field.onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const [first] = matching(choices(review.classes, review.label, review.suggested), field.value);
    if (first !== undefined) choose(first);
  };
  chooser.append(field, list);
  chooser.hidden = true;
  node.append(heading, reasons, buttons, chooser, progress);

  function showChoices() {
    const all = choices(review.classes, review.label, review.suggested);
    const shown = matching(all, field.value).slice(0, MOST_CHOICES);
    list.replaceChildren(
      ...shown.map((name) => {
        const button = element("button", "", `${all.indexOf(name) + 1} ${name}`);
        button.type = "button";
        button.onclick = () => choose(name);
        return button;
      }),
    );
  }

  function choose(name) {
    close();
    send("relabel", name);
  }

  function close() {
    if (chooser.hidden) return;
    chooser.hidden = true;
    field.value = "";
    focusView();
  }

  function act(action) {
    if (byAction[action].getAttribute("aria-disabled") === "true") return;
    if (action === "choose") {
      if (!chooser.hidden) {
        close();
        return;
      }
      chooser.hidden = false;
      showChoices();
      field.focus();
    } else if (action === "suggest") {
      send("relabel", review.suggested);
    } else {
      send(action, "");
    }
  }

  function update(next) {
    if (review?.id !== next.id) close();
    review = next;
    const agrees = review.suggested === review.label;
    heading.textContent = agrees
      ? `Labelled ${review.label}, and the probe agrees`
      : `Labelled ${review.label}, suggested ${review.suggested}`;
    reasons.replaceChildren(...review.reasons.map((reason) => element("li", "", reason)));
    progress.textContent = review.progress;
    byAction.suggest.lastChild.textContent = agrees ? "Take the suggested class" : `Relabel as ${review.suggested}`;
    byAction.suggest.setAttribute("aria-disabled", String(agrees));
    byAction.choose.setAttribute("aria-disabled", String(review.classes.length < 2));
    byAction.undo.setAttribute("aria-disabled", String(!review.can_undo));
  }

  return { node, update, act, close, isChoosing: () => !chooser.hidden };
}
