import assert from "node:assert/strict";
import { test } from "node:test";
import { boxOutline, wheelZoom } from "../../lib/view/components/scatter_parts/pointer.js";

test("a box has the corners of its diagonal, in order", () => {
  assert.deepEqual(boxOutline([1, 2], [5, 9]), [
    [1, 2],
    [5, 2],
    [5, 9],
    [1, 9],
  ]);
});

test("the wheel zooms in upwards and out downwards, and back to where it was", () => {
  assert.ok(wheelZoom(-100, 0) > 1 && wheelZoom(100, 0) < 1);
  assert.ok(Math.abs(wheelZoom(-100, 0) * wheelZoom(100, 0) - 1) < 1e-12);
  assert.ok(wheelZoom(-3, 1) > wheelZoom(-3, 0)); // three lines are more than three px
});
