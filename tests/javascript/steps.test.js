import assert from "node:assert/strict";
import { test } from "node:test";
import { pointByArrow } from "../../lib/view/components/scatter_parts/keyboard.js";
import { nextChosen, nextInDirection, placeAmong } from "../../lib/view/components/scatter_parts/steps.js";
import { nextContours } from "../../lib/view/components/scatter_parts/toolbar.js";

const all = () => true;
// A cross: the middle, right, left, above, below, and one far to the right.
const XY = [0, 0, 2, 0.5, -2, 0, 0, 3, 0, -1, 9, 0];
const RIGHT = [1, 0];

test("an arrow leads to the nearest point in its direction", () => {
  assert.equal(nextInDirection(XY, all, [0, 0], RIGHT), 1);
  assert.equal(nextInDirection(XY, all, [0, 0], [-1, 0]), 2);
  assert.equal(nextInDirection(XY, all, [0, 0], [0, 1]), 3);
  assert.equal(nextInDirection(XY, all, [0, 0], [0, -1]), 4);
  assert.equal(nextInDirection(XY, all, [2, 0.5], RIGHT), 5);
  assert.equal(nextInDirection(XY, all, [9, 0], RIGHT), -1);
  assert.equal(
    nextInDirection(XY, (i) => i !== 1, [0, 0], RIGHT),
    5,
  );
});

test("in a selection an arrow leads to the next of it, around its ends", () => {
  const isChosen = (i) => [1, 4].includes(i);
  assert.deepEqual(
    [-1, 1, 4, 2].map((from) => nextChosen(6, isChosen, from, 1)),
    [1, 4, 1, 4],
  );
  assert.deepEqual(
    [-1, 1, 4].map((from) => nextChosen(6, isChosen, from, -1)),
    [4, 4, 1],
  );
  assert.equal(
    nextChosen(6, () => false, 2, 1),
    -1,
  );
  assert.deepEqual(placeAmong(6, isChosen, 4), [2, 2]);
});

test("arrows stay in the selection where there is one", () => {
  const data = { xy: XY, rows: [0, 1, 2, 3, 4, 5], lit: Uint8Array.from([0b01001000]) };
  assert.equal(pointByArrow(data, all, -1, RIGHT, [0, 0]), 1);
  assert.equal(pointByArrow(data, all, 1, RIGHT, [0, 0]), 4);
  assert.equal(pointByArrow(data, all, 4, [0, -1], [0, 0]), 1); // down goes on as well
  assert.equal(pointByArrow(data, all, 4, [0, 1], [0, 0]), 1);
  assert.equal(pointByArrow({ ...data, lit: null }, all, 1, RIGHT, [0, 0]), 5);
  assert.equal(pointByArrow({ ...data, lit: null }, all, -1, RIGHT, [-3, 0]), 2);
});

test("the contours' button goes round", () => {
  assert.deepEqual(["off", "all", "class"].map(nextContours), ["all", "class", "off"]);
});
