import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestPoint, rowsInView } from "../../lib/view/components/scatter_parts/hits.js";

const XY = Float32Array.from([0, 0, 1, 0, 0, 1, 50, 50]);
const all = () => true;

test("the nearest point within reach is found", () => {
  assert.equal(nearestPoint(XY, all, 0.9, 0.1, 0.5), 1);
  assert.equal(nearestPoint(XY, all, 20, 20, 0.5), -1);
  assert.equal(nearestPoint(XY, all, 1.5, 0, 0.5), 1);
});

test("a hidden point is not found, the next one is", () => {
  assert.equal(
    nearestPoint(XY, (i) => i !== 1, 0.6, 0, 1),
    0,
  );
});

test("of points at the same place the last is found, which is drawn above the others", () => {
  assert.equal(nearestPoint(Float32Array.from([1, 1, 1, 1]), all, 1, 1, 1), 1);
});

test("rows in view are those that are shown and inside the chart", () => {
  const [view, size] = [
    { x: 0, y: 0, scale: 100 },
    { width: 400, height: 300 },
  ];
  const data = { xy: XY, rows: Uint32Array.from([10, 11, 12, 13]), max_photos: 3 };
  assert.deepEqual(rowsInView(data, all, view, size), [10, 11, 12]);
  assert.deepEqual(
    rowsInView(data, (i) => i !== 0, view, size),
    [11, 12],
  );
  assert.deepEqual(rowsInView({ ...data, max_photos: 2 }, all, view, size), []);
});
