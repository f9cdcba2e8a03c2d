import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { markable } from "../../lib/view/components/mark_buttons.js";

// As much of an element as the buttons need.
class FakeElement {
  constructor(name) {
    Object.assign(this, { name, children: [], dataset: {}, properties: {} });
  }
  setAttribute(key, value) {
    this.properties[key] = value;
  }
  append(...children) {
    this.children.push(...children);
  }
}

const pressed = [];
const cellOf = (marked) => markable(new FakeElement("div"), "rose/1.jpg", marked, (...mark) => pressed.push(mark));
const key = (name, more = {}) => ({ key: name, preventDefault: () => {}, ...more });

beforeEach(() => {
  globalThis.document = { createElement: (name) => new FakeElement(name) };
  pressed.length = 0;
});
afterEach(() => {
  delete globalThis.document;
});

test("both buttons are named, reachable and say which is pressed", () => {
  const [yes, no] = cellOf("no").children[0].children;
  assert.deepEqual([yes.properties["aria-pressed"], no.properties["aria-pressed"]], ["false", "true"]);
  assert.equal(no.properties["aria-label"], "wrong for this need: rose/1.jpg");
  assert.deepEqual([yes.tabIndex, yes.properties.role, yes.dataset.mark], [0, "button", "yes"]);
  assert.equal(cellOf(undefined).children[0].children[0].properties["aria-pressed"], "false");
});

test("a click, Enter and Space mark the photo once", () => {
  const [yes, no] = cellOf().children[0].children;
  yes.onclick();
  no.onkeydown(key("Enter"));
  no.onkeydown(key(" ", { repeat: true }));
  yes.onkeydown(key("Tab"));
  assert.deepEqual(pressed, [
    ["yes", "rose/1.jpg"],
    ["no", "rose/1.jpg"],
  ]);
});

test("y and n mark the photo that has the focus, and the browser keeps its own shortcuts", () => {
  const cell = cellOf();
  for (const event of [key("y"), key("N"), key("n", { ctrlKey: true }), key("y", { repeat: true }), key("x")]) {
    cell.onkeydown(event);
  }
  assert.deepEqual(
    pressed.map(([mark]) => mark),
    ["yes", "no"],
  );
});
