import assert from "node:assert/strict";
import { test } from "node:test";
import { searchWith, zoomedTo, zoomWord } from "../../lib/view/components/scatter_parts/link.js";
import { fittedView, zoomedView } from "../../lib/view/components/scatter_parts/view.js";

const SIZE = { width: 800, height: 600 };
const BOUNDS = [-10, 0, 30, 20];

test("the whole map needs no word", () => {
  assert.equal(zoomWord(fittedView(BOUNDS, SIZE), BOUNDS, SIZE), "");
  assert.deepEqual(zoomedTo([], BOUNDS, SIZE), fittedView(BOUNDS, SIZE));
  assert.deepEqual(zoomedTo(null, BOUNDS, SIZE), fittedView(BOUNDS, SIZE));
});

test("a view survives its word, and the word its view", () => {
  const view = zoomedView(fittedView(BOUNDS, SIZE), SIZE, 3.7, 123, 456);
  const word = zoomWord(view, BOUNDS, SIZE);
  const restored = zoomedTo(word.split(",").map(Number), BOUNDS, SIZE);
  assert.ok(Math.abs(restored.x - view.x) < 0.01 && Math.abs(restored.y - view.y) < 0.01);
  assert.ok(Math.abs(restored.scale / view.scale - 1) < 1e-3);
  assert.equal(zoomWord(restored, BOUNDS, SIZE), word);
});

test("the word holds for a chart of another size", () => {
  const half = { width: 400, height: 300 };
  const restored = zoomedTo([0.25, 0.5, 2], BOUNDS, half);
  assert.deepEqual([restored.x, restored.y], [0, 10]);
  assert.ok(Math.abs(restored.scale - 2 * fittedView(BOUNDS, half).scale) < 1e-9);
});

test("points that all lie on one place have a word too", () => {
  const point = [1, 1, 1, 1];
  const view = zoomedView(fittedView(point, SIZE), SIZE, 2, 400, 300);
  assert.deepEqual(zoomWord(view, point, SIZE), "0,0,2");
});

test("a part of the address is replaced, and the rest stays as it is written", () => {
  assert.equal(
    searchWith("?q=a%2Fb.jpg&zoom=1,2,3", { zoom: "1,2,3", tool: null, hide: [] }),
    "?q=a%2Fb.jpg&zoom=1,2,3",
  );
  assert.equal(
    searchWith("?q=a&zoom=0,0,2&hide=x", { zoom: null, hide: ["a b", "ü&="] }),
    "?q=a&hide=a+b&hide=%C3%BC%26%3D",
  );
  assert.equal(searchWith("?zoom=0,0,2", { zoom: null }), "?");
  assert.equal(searchWith("", { tool: "pan" }), "?tool=pan");
});
