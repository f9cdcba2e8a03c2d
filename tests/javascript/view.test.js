import assert from "node:assert/strict";
import { test } from "node:test";
import { fittedView, pannedView, resizedView, toPlane, toScreen, zoomedView } from "../../lib/view/components/scatter_parts/view.js";

const SIZE = { width: 800, height: 620 };
const VIEW = { x: 2, y: -1, scale: 50, whole: false };

const assertNear = (actual, expected) => {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries()) assert.ok(Math.abs(value - expected[i]) < 1e-9, `${actual} ≠ ${expected}`);
};

test("the centre of the view is the middle of the chart, and y grows upwards", () => {
  assert.deepEqual(toScreen(VIEW, SIZE, 2, -1), [400, 310]);
  assert.deepEqual(toScreen(VIEW, SIZE, 3, 0), [450, 260]);
});

test("plane to screen and back is the same place", () => {
  assertNear(toPlane(VIEW, SIZE, ...toScreen(VIEW, SIZE, 4.2, -3.7)), [4.2, -3.7]);
});

test("a fitted view shows all of its bounds, centred", () => {
  const view = fittedView([-10, 0, 30, 5], SIZE);
  assert.deepEqual([view.x, view.y, view.whole], [10, 2.5, true]);
  const [left, bottom] = toScreen(view, SIZE, -10, 0);
  const [right, top] = toScreen(view, SIZE, 30, 5);
  assert.ok(left > 0 && top > 0 && right < SIZE.width && bottom < SIZE.height);
  assertNear([right - left], [0.94 * SIZE.width]);
});

test("points that all lie on one place still have a view", () => {
  const view = fittedView([1, 1, 1, 1], SIZE);
  assert.ok(Number.isFinite(view.scale) && view.scale > 0);
});

test("zooming keeps what lies under the pointer", () => {
  const zoomed = zoomedView(VIEW, SIZE, 1.4, 123, 456);
  assertNear([zoomed.scale], [70]);
  assertNear(toPlane(zoomed, SIZE, 123, 456), toPlane(VIEW, SIZE, 123, 456));
  assert.equal(zoomed.whole, false);
});

test("zooming ends at a smallest and a largest scale, and keeps the place there too", () => {
  for (const factor of [1e12, 1e-12]) {
    const zoomed = zoomedView(VIEW, SIZE, factor, 400, 310);
    assert.ok(zoomed.scale <= 1e6 && zoomed.scale >= 1e-6);
    assertNear([zoomed.x, zoomed.y], [VIEW.x, VIEW.y]);
  }
});

test("dragging moves the point along with the pointer", () => {
  const panned = pannedView(VIEW, 30, -20);
  const [x, y] = toPlane(VIEW, SIZE, 100, 100);
  assertNear(toScreen(panned, SIZE, x, y), [130, 80]);
});

test("a chart of another size shows the same part, enlarged as before", () => {
  const bounds = [0, 0, 10, 5];
  const zoomed = zoomedView(fittedView(bounds, SIZE), SIZE, 3, 200, 100);
  const low = { width: 800, height: 300 };
  const resized = resizedView(zoomed, bounds, SIZE, low);
  assertNear([resized.x, resized.y], [zoomed.x, zoomed.y]);
  assertNear([resized.scale / fittedView(bounds, low).scale], [3]);
  assertNear([resizedView(resized, bounds, low, SIZE).scale], [zoomed.scale]);
  assert.deepEqual(resizedView(fittedView(bounds, SIZE), bounds, SIZE, low), fittedView(bounds, low));
  assert.deepEqual(resizedView(zoomed, bounds, { width: 0, height: 0 }, low), zoomed); // not drawn before
});
