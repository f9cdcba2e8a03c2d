import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { photoButton } from "../../lib/view/components/photo_button.js";

// As much of an element as a photo's button needs.
class FakeElement {
  constructor(name) {
    Object.assign(this, { name, children: [], dataset: {}, properties: {} });
    this.style = { setProperty: (key, value) => (this.properties[key] = value) };
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
  assert.deepEqual(names(button), ["img", "badge", "caption"]);
  assert.deepEqual(names(button.children[2]), ["label", "note", "note"]);
  assert.equal(button.children[0].alt, "a rose");
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
