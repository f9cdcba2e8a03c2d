import assert from "node:assert/strict";
import { test } from "node:test";
import { goesOn, interpolate, stretchAt } from "../../lib/view/components/scatter_parts/animation.js";

test("a position lies on the stretch that begins before it; the last one ends the last stretch", () => {
  assert.deepEqual(stretchAt(0, 3), { from: 0, share: 0 });
  assert.deepEqual(stretchAt(1, 3), { from: 1, share: 0 });
  assert.deepEqual(stretchAt(2, 3), { from: 1, share: 1 });
});

test("points are slow at both ends of a stretch", () => {
  const share = (position) => stretchAt(position, 2).share;
  assert.ok(Math.abs(share(0.5) - 0.5) < 1e-12);
  assert.ok(share(0.1) < 0.1 && share(0.9) > 0.9);
});

test("points go straight from one plane to the next", () => {
  const xy = new Float32Array(4);
  interpolate(xy, [0, 0, 1, 1], [4, 8, 1, -1], 0.25);
  assert.deepEqual([...xy], [1, 2, 1, 0.5]);
});

test("stops go on where the ones before ended only when all of these are still there", () => {
  assert.ok(goesOn(["a", "b", "c"], ["a", "b"]));
  assert.ok(!goesOn(["a", "b"], ["a", "b"]));
  assert.ok(!goesOn(["a", "c", "b"], ["a", "b"]));
  assert.ok(!goesOn(["a"], []));
});
