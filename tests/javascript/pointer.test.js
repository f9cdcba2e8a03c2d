import assert from "node:assert/strict";
import { test } from "node:test";
import { boxOutline, pinchedView, wheelZoom } from "../../lib/view/components/scatter_parts/pointer.js";
import { toPlane, toScreen } from "../../lib/view/components/scatter_parts/view.js";

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

test("what lies between two fingers stays there while they part and move", () => {
  const [size, view] = [
    { width: 800, height: 600 },
    { x: 2, y: 1, scale: 50, whole: true },
  ];
  const before = [
    [100, 100],
    [200, 100],
  ];
  const after = [
    [150, 180],
    [350, 180],
  ];
  const pinched = pinchedView(view, size, before, after);
  assert.deepEqual([pinched.scale, pinched.whole], [100, false]);
  const [x, y] = toPlane(view, size, 150, 100);
  const [left, top] = toScreen(pinched, size, x, y);
  assert.ok(Math.abs(left - 250) < 1e-9 && Math.abs(top - 180) < 1e-9);
  assert.ok(
    Number.isFinite(
      pinchedView(
        view,
        size,
        [
          [1, 1],
          [1, 1],
        ],
        after,
      ).scale,
    ),
  );
});
