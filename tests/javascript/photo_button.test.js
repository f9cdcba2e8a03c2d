import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { photoButton, SECOND_CLICK } from "../../lib/view/components/photo_button.js";

// As much of an element as a photo's button needs.
class FakeElement {
  constructor(name) {
    Object.assign(this, { name, children: [], dataset: {}, properties: {} });
    this.classList = { add: () => {}, remove: () => {} };
    this.style = { setProperty: (key, value) => (this.properties[key] = value) };
  }
  setAttribute(key, value) {
    this.properties[key] = value;
  }
  append(...children) {
    this.children.push(...children);
  }
}

const item = { id: "rose/<b>.jpg", src: "data:", label: "rose", colour: "red", notes: ["one", "two"], alt: "a rose" };
const names = (node) => node.children.map((child) => child.className || child.name);

beforeEach(() => {
  globalThis.document = { createElement: (name) => new FakeElement(name) };
});
afterEach(() => {
  delete globalThis.document;
});

test("a button shows the photo, its marks and its caption in this order", () => {
  const mark = Object.assign(new FakeElement("span"), { className: "badge" });
  const heading = Object.assign(new FakeElement("div"), { className: "label" });
  const button = photoButton(item, { chosen: null, marks: [mark], heading: [heading], onPick: () => {} });
  assert.deepEqual(names(button), ["photo", "badge", "caption"]);
  assert.deepEqual(names(button.children[2]), ["label", "note", "note"]);
  assert.equal(button.children[0].children[0].alt, "a rose");
  assert.equal(button.properties["--mark"], "red");
});

test("a click picks the photo, and only the chosen one is marked", () => {
  const picked = [];
  const options = { heading: [], onPick: (id) => picked.push(id) };
  const button = photoButton(item, { ...options, chosen: item.id });
  button.onclick();
  assert.deepEqual(picked, [item.id]);
  assert.equal(button.className, "chosen");
  assert.equal(photoButton(item, { ...options, chosen: "another" }).className, "");
});

function openable() {
  const calls = [];
  const handlers = { onPick: (id) => calls.push(["pick", id]), onOpen: (id) => calls.push(["open", id]) };
  return [photoButton(item, { chosen: null, heading: [], ...handlers }), calls];
}

test("a double click opens the photo and does not pick it", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const [button, calls] = openable();
  button.onclick({ detail: 1 });
  button.onclick({ detail: 2 });
  mock.timers.tick(10 * SECOND_CLICK);
  assert.deepEqual(calls, [["open", item.id]]);
});

test("one click picks the photo after the wait, Enter at once", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const [button, calls] = openable();
  button.onclick({ detail: 1 });
  assert.deepEqual(calls, []);
  mock.timers.tick(SECOND_CLICK);
  button.onclick({ detail: 0 });
  assert.deepEqual(calls, [
    ["pick", item.id],
    ["pick", item.id],
  ]);
});

test("Space opens the photo once, however long it is held, and never picks it", () => {
  const [button, calls] = openable();
  const prevented = [];
  const press = (repeat) => ({ key: " ", repeat, preventDefault: () => prevented.push(repeat) });
  button.onkeydown(press(false));
  button.onkeydown(press(true));
  button.onkeyup(press(false));
  assert.deepEqual(calls, [["open", item.id]]);
  assert.equal(prevented.length, 3);
});
