// Counts of points on a grid of square cells over a part of the plane, and their smoothed density.

// A grid over `bounds` (left, bottom, right, top) with `cells` cells along the longer side and `margin` cells around.
export function gridOver([left, bottom, right, top], cells, margin = 0) {
  const step = Math.max(right - left, top - bottom, 1e-9) / cells;
  return {
    step,
    left: left - margin * step,
    bottom: bottom - margin * step,
    columns: Math.max(1, Math.ceil((right - left) / step)) + 2 * margin,
    rows: Math.max(1, Math.ceil((top - bottom) / step)) + 2 * margin,
  };
}

// The cell of point `i`, -1 outside. Points on the upper edges belong to the last cells.
export function cellOf({ left, bottom, step, columns, rows }, xy, i) {
  const column = Math.floor((xy[2 * i] - left) / step);
  const row = Math.floor((xy[2 * i + 1] - bottom) / step);
  if (!(column >= 0 && row >= 0 && column <= columns && row <= rows)) return -1;
  return Math.min(row, rows - 1) * columns + Math.min(column, columns - 1);
}

// The points that `isCounted` in each cell, row by row.
export function cellCounts(grid, xy, isCounted) {
  const counts = new Float32Array(grid.columns * grid.rows);
  for (let i = 0; 2 * i < xy.length; i++) {
    const cell = isCounted(i) ? cellOf(grid, xy, i) : -1;
    if (cell >= 0) counts[cell] += 1;
  }
  return counts;
}

// `values` on a grid convolved with a Gaussian whose standard deviation is `sigma` cells, along rows, then columns.
export function smoothed(values, { columns, rows }, sigma) {
  const reach = Math.ceil(3 * sigma);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)));
  const total = kernel.reduce((sum, weight) => sum + weight, 0);
  const along = (source, stride, length, lines, lineStride) => {
    const result = new Float32Array(source.length);
    for (let line = 0; line < lines; line++) {
      for (let at = 0; at < length; at++) {
        const value = source[line * lineStride + at * stride];
        if (!value) continue; // most cells are empty
        for (let k = Math.max(0, reach - at); k < kernel.length && at + k - reach < length; k++) {
          result[line * lineStride + (at + k - reach) * stride] += (value * kernel[k]) / total;
        }
      }
    }
    return result;
  };
  return along(along(values, 1, columns, rows, columns), columns, rows, columns, 1);
}
