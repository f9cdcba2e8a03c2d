import assert from "node:assert/strict";
import { test } from "node:test";
import { boxBetween, isLargeEnough, percentAt } from "../../lib/view/components/crop_geometry.js";

const FRAME = { left: 100, top: 50, width: 400, height: 200 };

test("a place in the frame is in whole percent of it", () => {
  assert.deepEqual(percentAt(FRAME, 300, 150), [50, 50]);
  assert.deepEqual(percentAt(FRAME, 101, 51), [0, 1]);
});

test("a place outside the frame is on its edge", () => {
  assert.deepEqual(percentAt(FRAME, 0, 9_999), [0, 100]);
});

test("a box may be drawn from any corner", () => {
  for (const [start, end] of [
    [
      [10, 20],
      [60, 90],
    ],
    [
      [60, 90],
      [10, 20],
    ],
    [
      [60, 20],
      [10, 90],
    ],
  ]) {
    assert.deepEqual(boxBetween(start, end), [10, 20, 60, 90]);
  }
});

test("both sides of a box must be large enough", () => {
  assert.equal(isLargeEnough([0, 0, 5, 5], 5), true);
  assert.equal(isLargeEnough([0, 0, 4, 50], 5), false);
  assert.equal(isLargeEnough([0, 0, 50, 4], 5), false);
});
