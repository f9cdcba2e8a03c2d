import assert from "node:assert/strict";
import { test } from "node:test";
import {
  best,
  heat,
  largest,
  middle,
  moved,
  opacity,
  partners,
  rgb,
  signed,
  smooth,
  strongest,
} from "../../lib/view/components/heat_geometry.js";

test("arrow keys walk the cells and stop at the edges", () => {
  const walk = (at, ...keys) => keys.reduce((cell, key) => moved(cell, key, 3, 4), at);
  assert.equal(walk(0, "ArrowRight", "ArrowDown"), 5);
  assert.equal(walk(5, "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft"), 0);
  assert.equal(walk(5, "End"), 7);
  assert.equal(walk(7, "Home"), 4);
  assert.equal(walk(11, "ArrowRight", "ArrowDown"), 11);
  assert.equal(moved(3, "a", 3, 4), null);
});

test("both photos share one scale, and a scale of nothing does not divide by zero", () => {
  assert.equal(largest([1, -5], [3]), 5);
  assert.equal(largest([0, null], [0]), 1);
  assert.equal(opacity(0, 5), 0);
  assert.equal(opacity(null, 5), 0);
  assert.ok(opacity(1, 5) < opacity(-2, 5));
  assert.equal(opacity(9, 5), opacity(5, 5));
});

test("what binds is warm and what divides is cold, whichever sign the metric has", () => {
  assert.deepEqual(rgb("#ffb300"), [255, 179, 0]);
  const warm = [
    [200, 80, 0],
    [255, 200, 100],
  ];
  const cold = [
    [0, 40, 200],
    [100, 200, 255],
  ];
  const colours = (sign) => {
    const pixels = heat([2, -2, 0], 2, sign, warm, cold);
    return [[...pixels.slice(0, 3)], [...pixels.slice(4, 7)]];
  };
  assert.deepEqual(colours(1), [warm[1], cold[1]]); // a similarity
  assert.deepEqual(colours(-1), [cold[1], warm[1]]); // a distance
  const pixels = heat([2, 1, 0], 2, 1, warm, cold);
  assert.deepEqual([...pixels.slice(4, 7)], [228, 140, 50]); // half as strong, half way
  assert.equal(pixels[11], 0);
});

test("a finer grid has each cell's value in its middle, and nothing beyond the values", () => {
  const fine = smooth([0, 4, null, 8], 2, 2, 3);
  assert.equal(fine.length, 36);
  assert.deepEqual([fine[7], fine[10], fine[25], fine[28]], [0, 4, 0, 8]);
  assert.deepEqual([fine[0], fine[5]], [0, 4]); // edges keep the value of their cell
  assert.ok(Math.min(...fine) === 0 && Math.max(...fine) === 8);
  assert.deepEqual(smooth([5], 1, 1, 2), [5, 5, 5, 5]);
});

test("links are those with the largest parts, of all cells or of one", () => {
  // Two cells of the query by three of the answer.
  const pairs = [1, 6, 2, -7, 4, 3];
  assert.deepEqual(strongest(pairs, 3, 2), [
    { query: 1, answer: 0, part: -7 },
    { query: 0, answer: 1, part: 6 },
  ]);
  assert.deepEqual(
    strongest(pairs, 3, 9, 0, 0).map(({ part }) => part),
    [6, 2, 1],
  );
  assert.deepEqual(
    strongest(pairs, 3, 9, 1, 2).map(({ part }) => part),
    [3, 2],
  );
});

test("a cell's partners are its row or its column", () => {
  const matrix = [1, 6, 2, -7, 4, 3];
  assert.deepEqual(partners(matrix, 3, 0, 1), [-7, 4, 3]);
  assert.deepEqual(partners(matrix, 3, 1, 2), [2, 3]);
  assert.equal(best([null, 2, 5, 5]), 2);
  assert.equal(best([null, null]), null);
});

test("a grid that covers a part of the photo has its cells there", () => {
  assert.deepEqual(middle(0, 2, 2, [0, 0, 100, 100]), [25, 25]);
  assert.deepEqual(middle(3, 2, 2, [20, 0, 60, 100]), [50, 75]);
});

test("numbers have a sign and three digits that count", () => {
  assert.deepEqual([0.012345, -3.4, 12345.6].map(signed), ["+0.0123", "−3.40", "+12346"]);
});
