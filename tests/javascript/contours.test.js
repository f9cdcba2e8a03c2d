import assert from "node:assert/strict";
import { test } from "node:test";
import {
  contourLayers,
  contoursOf,
  densityAt,
  levelsOf,
  marchingSquares,
} from "../../lib/view/components/scatter_parts/contours.js";
import { cellCounts, cellOf, gridOver, smoothed } from "../../lib/view/components/scatter_parts/grid.js";

const all = () => true;
// Points of a normal distribution (Box and Muller) from a small generator, always the same.
function normalPoints(count) {
  let seed = 1;
  const random = () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  };
  const xy = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const [radius, angle] = [Math.sqrt(-2 * Math.log(random())), 2 * Math.PI * random()];
    xy.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * i);
  }
  return xy;
}
const POINTS = normalPoints(4000);
const BOUNDS = [-4, -4, 4, 4];

test("a grid has square cells, and every point within its bounds a cell", () => {
  const grid = gridOver([0, 0, 4, 2], 4);
  assert.deepEqual([grid.columns, grid.rows, grid.step], [4, 2, 1]);
  assert.deepEqual([cellOf(grid, [0, 0], 0), cellOf(grid, [4, 2], 0), cellOf(grid, [4.1, 1.9], 0)], [0, 7, 7]);
  assert.deepEqual([cellOf(grid, [-1, 0], 0), cellOf(grid, [Number.NaN, 0], 0)], [-1, -1]);
  assert.deepEqual([...cellCounts(grid, [0.5, 0.5, 0.6, 0.5, 3.5, 1.5], (i) => i !== 1)], [1, 0, 0, 0, 0, 0, 0, 1]);
  const point = gridOver([1, 1, 1, 1], 4);
  assert.ok(point.columns === 1 && point.step > 0);
});

test("smoothing keeps the sum and spreads evenly", () => {
  const grid = gridOver([0, 0, 21, 21], 21);
  const values = new Float32Array(21 * 21);
  values[10 * 21 + 10] = 7;
  const density = smoothed(values, grid, 2);
  assert.ok(Math.abs(density.reduce((sum, value) => sum + value, 0) - 7) < 1e-4);
  assert.ok(Math.abs(density[10 * 21 + 8] - density[12 * 21 + 10]) < 1e-6);
  // Two cells are one standard deviation: the density falls to exp(-1/2).
  assert.ok(Math.abs(density[10 * 21 + 8] / density[10 * 21 + 10] - Math.exp(-0.5)) < 1e-3);
});

test("a level encloses its share of the points", () => {
  const grid = gridOver(BOUNDS, 96, 7);
  const density = smoothed(cellCounts(grid, POINTS, all), grid, 2);
  for (const [i, level] of levelsOf(grid, density, POINTS, all, [0.3, 0.9]).entries()) {
    let inside = 0;
    for (let p = 0; 2 * p < POINTS.length; p++) {
      if (densityAt(grid, density, POINTS[2 * p], POINTS[2 * p + 1]) > level) inside += 1;
    }
    assert.ok(Math.abs(inside / 4000 - [0.3, 0.9][i]) < 0.01);
  }
});

test("the contours of a round cloud are closed lines around its middle, as wide as the theory has it", () => {
  for (const { share, lines } of contoursOf(POINTS, BOUNDS, all, [0.5, 0.9])) {
    assert.ok(lines.length > 40);
    const ends = new Map();
    let radius = 0;
    for (let i = 0; i < lines.length; i += 2) {
      const place = `${lines[i].toFixed(4)} ${lines[i + 1].toFixed(4)}`;
      ends.set(place, (ends.get(place) ?? 0) + 1);
      radius += Math.hypot(lines[i], lines[i + 1]) / (lines.length / 2);
    }
    assert.ok([...ends.values()].every((count) => count === 2)); // every segment goes on
    assert.ok(Math.abs(radius - Math.sqrt(-2 * Math.log(1 - share))) < 0.15, `${share}: ${radius}`);
  }
});

test("opposite corners inside are two lines, joined only where the middle is inside", () => {
  const grid = { left: 0, bottom: 0, step: 1, columns: 2, rows: 2 };
  const lines = [...marchingSquares(grid, [1, 0, 0, 1], 0.6)];
  assert.equal(lines.length, 8);
  // The middle is outside: each line cuts off one of the corners (0.5, 0.5) and (1.5, 1.5).
  const far = lines.slice(0, 4).map((value) => Math.abs(value - lines[0]));
  assert.ok(Math.max(...far) < 0.5);
  assert.equal(marchingSquares(grid, [1, 1, 1, 1], 0.6).length, 0);
});

test("each entry of the legend has contours of its shown points in its colour; a scale has those of all", () => {
  const data = {
    xy: POINTS,
    bounds: BOUNDS,
    codes: Uint16Array.from({ length: 4000 }, (_, i) => (i < 4 ? 1 : 0)),
    legend: [
      { code: 0, colour: "#0072b2" },
      { code: 1, colour: "#e69f00" },
    ],
  };
  const layers = contourLayers(data, all, "class");
  assert.deepEqual(
    layers.map(({ colour, contours }) => [colour, contours.length]),
    [
      ["#0072b2", 2],
      ["#e69f00", 0], // four points have no density
    ],
  );
  assert.equal(contourLayers(data, () => false, "class")[0].contours.length, 0);
  assert.equal(contourLayers({ ...data, legend: [] }, all, "class")[0].contours.length, 3);
  assert.equal(contourLayers(data, all, "all").length, 1);
});
