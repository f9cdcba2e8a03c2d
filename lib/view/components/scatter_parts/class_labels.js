// The names of the classes on the map: each where its points lie densest, and none over another.

import { cellCounts, cellOf, gridOver, smoothed } from "./grid.js";

const CELLS = 40; // along the longer side of the map
const LEAST_IN_VIEW = 3; // points of a class, for a name in a view that does not show its densest place
export const MOST_NAMES = 40; // more classes than these have no room; the largest are named
const [HEIGHT, PADDING] = [16, 3]; // px

// For each class (a label beyond them has no name): its number of points that are shown within `bounds`, and the point nearest to the middle of those
// around its densest cell, as {name, count, x, y}; the largest class first.
export function densestPlaces({ xy, labels, classes }, isShown, bounds) {
  const grid = gridOver(bounds, CELLS);
  const [left, bottom, right, top] = bounds;
  const isWithin = (i) =>
    xy[2 * i] >= left && xy[2 * i] <= right && xy[2 * i + 1] >= bottom && xy[2 * i + 1] <= top && isShown(i);
  const members = classes.map(() => []);
  for (let i = 0; i < labels.length; i++) if (isWithin(i)) members[labels[i]]?.push(i);
  return members
    .map((points, label) => ({ name: classes[label], count: points.length, points }))
    .filter(({ name, count }) => name && count)
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST_NAMES)
    .map(({ name, count, points }) => ({ name, count, ...medoidOfPeak(xy, points, grid) }));
}

function medoidOfPeak(xy, points, grid) {
  const own = Float32Array.from(points.flatMap((i) => [xy[2 * i], xy[2 * i + 1]]));
  const density = smoothed(
    cellCounts(grid, own, () => true),
    grid,
    1,
  );
  let peak = 0;
  for (let cell = 1; cell < density.length; cell++) if (density[cell] > density[peak]) peak = cell;
  const isNear = (i) => {
    const cell = cellOf(grid, own, i);
    const [across, up] = [(cell % grid.columns) - (peak % grid.columns), Math.floor(cell / grid.columns)];
    return Math.abs(across) <= 1 && Math.abs(up - Math.floor(peak / grid.columns)) <= 1;
  };
  const near = points.map((_, i) => i).filter(isNear);
  const around = near.length ? near : points.map((_, i) => i);
  const middle = [0, 1].map((axis) => around.reduce((sum, i) => sum + own[2 * i + axis], 0) / around.length);
  const far = (i) => (own[2 * i] - middle[0]) ** 2 + (own[2 * i + 1] - middle[1]) ** 2;
  const medoid = around.reduce((best, i) => (far(i) < far(best) ? i : best));
  return { x: own[2 * medoid], y: own[2 * medoid + 1] };
}

// The places of the names in a view: those of `whole` that it shows, for the other classes those of `inView`.
export function visiblePlaces(whole, inView, isVisible) {
  const local = new Map(inView.map((place) => [place.name, place]));
  return whole
    .map((place) => {
      if (isVisible(place.x, place.y)) return place;
      const other = local.get(place.name);
      return other && other.count >= LEAST_IN_VIEW && isVisible(other.x, other.y) ? other : null;
    })
    .filter(Boolean);
}

// Where names fit, as [{name, left, top, width, from}, …]: `left` and `top` are the middle of the text in px; `from` is
// the place that it names where it stands apart from it, else null. Earlier places win; a name without room is left out.
export function placedNames(places, widthOf, size) {
  const placed = [];
  for (const { name, left, top } of places) {
    const width = widthOf(name) + 2 * PADDING;
    const [aside, up] = [width / 2 + 14, HEIGHT + 4];
    const offsets = [
      [0, 0],
      [0, -up],
      [0, up],
      [aside, 0],
      [-aside, 0],
      [0, -2 * up],
      [0, 2 * up],
      [aside, -2 * up],
      [-aside, -2 * up],
      [aside, 2 * up],
      [-aside, 2 * up],
    ];
    const isFree = ([right, down]) => {
      const [x, y] = [left + right, top + down];
      if (x < width / 2 || y < HEIGHT / 2 || x > size.width - width / 2 || y > size.height - HEIGHT / 2) return false;
      return placed.every(
        (other) => Math.abs(other.left - x) >= (other.width + width) / 2 || Math.abs(other.top - y) >= HEIGHT,
      );
    };
    const offset = offsets.find(isFree);
    if (!offset) continue;
    const from = Math.abs(offset[0]) + Math.abs(offset[1]) > up ? [left, top] : null;
    placed.push({ name, left: left + offset[0], top: top + offset[1], width, from });
  }
  return placed;
}
