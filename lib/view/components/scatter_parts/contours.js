// Density contours: lines around the places where most points lie. Points are counted on a grid, smoothed, and the
// lines found by marching squares. A contour of share 0.5 encloses the densest half of the points.

import { cellCounts, gridOver, smoothed } from "./grid.js";

export const CELLS = 96; // along the longer side of the map
export const SIGMA = 2; // cells: the bandwidth
export const SHARES = { all: [0.3, 0.6, 0.9], class: [0.5, 0.9] }; // of the points inside a line, by mode
const MARGIN = 7; // cells around the points, so that lines close
const LEAST_POINTS = 5; // fewer points have no density worth a line

// The density at (x, y), from the middles of the four cells around it.
export function densityAt({ left, bottom, step, columns, rows }, density, x, y) {
  const [across, up] = [(x - left) / step - 0.5, (y - bottom) / step - 0.5];
  const [column, row] = [Math.floor(across), Math.floor(up)];
  const at = (c, r) => (c < 0 || r < 0 || c >= columns || r >= rows ? 0 : density[r * columns + c]);
  const [right, above] = [across - column, up - row];
  return (
    (at(column, row) * (1 - right) + at(column + 1, row) * right) * (1 - above) +
    (at(column, row + 1) * (1 - right) + at(column + 1, row + 1) * right) * above
  );
}

// The densities above which the given shares of the points that are counted lie.
export function levelsOf(grid, density, xy, isCounted, shares) {
  const values = [];
  for (let i = 0; 2 * i < xy.length; i++) {
    if (isCounted(i)) values.push(densityAt(grid, density, xy[2 * i], xy[2 * i + 1]));
  }
  const sorted = Float64Array.from(values).sort();
  return shares.map((share) => sorted[Math.min(sorted.length - 1, Math.floor((1 - share) * sorted.length))]);
}

// Where `density` equals `level`, as line segments on the plane: x, y, x, y for each, one after another.
export function marchingSquares({ left, bottom, step, columns, rows }, density, level) {
  const lines = [];
  for (let row = 0; row + 1 < rows; row++) {
    for (let column = 0; column + 1 < columns; column++) {
      const at = row * columns + column;
      // The corners counter-clockwise from the lower left, and the edges from one to the next.
      const corners = [density[at], density[at + 1], density[at + columns + 1], density[at + columns]];
      const isIn = corners.map((value) => value > level);
      if (isIn[0] === isIn[1] && isIn[1] === isIn[2] && isIn[2] === isIn[3]) continue;
      const crossings = [];
      for (let edge = 0; edge < 4; edge++) {
        const next = (edge + 1) % 4;
        if (isIn[edge] === isIn[next]) continue;
        const share = (level - corners[edge]) / (corners[next] - corners[edge]);
        const [right, up] = [
          [share, 0],
          [1, share],
          [1 - share, 1],
          [0, 1 - share],
        ][edge];
        crossings.push([left + (column + 0.5 + right) * step, bottom + (row + 0.5 + up) * step]);
      }
      // Four crossings: two opposite corners lie inside. The middle says whether they belong together.
      const isMiddleIn = (corners[0] + corners[1] + corners[2] + corners[3]) / 4 > level;
      const order = crossings.length === 2 ? [0, 1] : isMiddleIn === isIn[0] ? [0, 1, 2, 3] : [0, 3, 1, 2];
      for (const i of order) lines.push(...crossings[i]);
    }
  }
  return Float32Array.from(lines);
}

// The contours of the points that are counted, the outermost last: [{share, lines}, …]; none of very few points.
export function contoursOf(xy, bounds, isCounted, shares) {
  const grid = gridOver(bounds, CELLS, MARGIN);
  const counts = cellCounts(grid, xy, isCounted);
  if (counts.reduce((sum, count) => sum + count, 0) < LEAST_POINTS) return [];
  const density = smoothed(counts, grid, SIGMA);
  const levels = levelsOf(grid, density, xy, isCounted, shares);
  return levels.map((level, i) => ({ share: shares[i], lines: marchingSquares(grid, density, level) }));
}

// What is drawn: the contours of all points that are shown, or those of each entry of the legend, in its colour.
export function contourLayers({ xy, bounds, codes, legend }, isShown, mode) {
  if (mode === "all" || !legend.length) {
    return [{ colour: null, contours: contoursOf(xy, bounds, isShown, SHARES.all) }];
  }
  return legend.map(({ code, colour }) => ({
    colour,
    contours: contoursOf(xy, bounds, (i) => codes[i] === code && isShown(i), SHARES.class),
  }));
}
