// Cells of a grid over a photo, and the colours and words of their parts: no drawing here.

// The index of the cell that `key` moves to from cell `at` of a grid of `height` rows and `width` columns; null for a
// key that moves nowhere.
export function moved(at, key, height, width) {
  const row = Math.floor(at / width);
  const column = at % width;
  const to = {
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    Home: [row, 0],
    End: [row, width - 1],
  }[key];
  if (!to) return null;
  const inside = (value, count) => Math.min(count - 1, Math.max(0, value));
  return inside(to[0], height) * width + inside(to[1], width);
}

// The largest absolute value of several lists, 1 where all are 0: the end of the scale that they share.
export function largest(...lists) {
  const most = Math.max(0, ...lists.flat().map((value) => Math.abs(value ?? 0)));
  return most > 0 ? most : 1;
}

// How opaque the heat of a value is, 0 to `MOST`: weak parts leave the photo clear, strong ones cover it.
const MOST = 0.86;
export function opacity(value, most) {
  return MOST * level(value, most) ** 1.9;
}

function level(value, most) {
  return Math.min(1, Math.abs(value ?? 0) / most);
}

// The pixels (RGBA, 0 to 255) of a grid of values: `warm` where a value times `sign` is positive, else `cold`. Both are
// ramps, two colours (RGB) from the weakest part to the strongest.
export function heat(values, most, sign, warm, cold) {
  const pixels = new Uint8ClampedArray(4 * values.length);
  values.forEach((value, i) => {
    const [weak, strong] = (value ?? 0) * sign >= 0 ? warm : cold;
    const share = level(value, most);
    pixels.set(
      weak.map((from, channel) => Math.round(from + (strong[channel] - from) * share)),
      4 * i,
    );
    pixels[4 * i + 3] = 255 * opacity(value, most);
  });
  return pixels;
}

// A grid of values drawn `factor` times as fine: each cell has its value in its middle, and between two middles the
// values pass over smoothly. A value that is none (null) counts as 0.
export function smooth(values, height, width, factor) {
  const along = (count) =>
    Array.from({ length: count * factor }, (_, i) => {
      const at = Math.min(count - 1, Math.max(0, (i + 0.5) / factor - 0.5));
      const first = Math.floor(at);
      const share = at - first;
      return [first, Math.min(count - 1, first + 1), share * share * (3 - 2 * share)];
    });
  const columns = along(width);
  return along(height).flatMap(([above, below, down]) =>
    columns.map(([left, right, across]) => {
      const row = (y) => {
        const from = values[y * width + left] ?? 0;
        return from + ((values[y * width + right] ?? 0) - from) * across;
      };
      return row(above) + (row(below) - row(above)) * down;
    }),
  );
}

export function rgb(hex) {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}

// The strongest `count` links of a matrix `pairs` (query's cells × answer's cells, in a flat list), from the strongest:
// those of cell `at` of photo `side` (0 the query, 1 the answer), or of all cells where `at` is null.
export function strongest(pairs, cells, count, side = 0, at = null) {
  const links = pairs.map((part, i) => ({ query: Math.floor(i / cells), answer: i % cells, part }));
  const those = at === null ? links : links.filter((link) => (side === 0 ? link.query : link.answer) === at);
  return those.sort((a, b) => Math.abs(b.part) - Math.abs(a.part)).slice(0, count);
}

// Row or column `at` of that matrix: what cell `at` of photo `side` has with each cell of the other photo.
export function partners(matrix, cells, side, at) {
  return Array.from({ length: side === 0 ? cells : matrix.length / cells }, (_, other) =>
    side === 0 ? matrix[at * cells + other] : matrix[other * cells + at],
  );
}

// The place of the largest value; null where none is a number.
export function best(values) {
  let found = null;
  values.forEach((value, i) => {
    if (value !== null && (found === null || value > values[found])) found = i;
  });
  return found;
}

// The middle of cell `at` in percent of the photo, whose grid covers `box` (left, top, right, bottom in percent).
export function middle(at, height, width, [left, top, right, bottom]) {
  const row = Math.floor(at / width);
  const column = at % width;
  return [left + ((right - left) * (column + 0.5)) / width, top + ((bottom - top) * (row + 0.5)) / height];
}

// A number with its sign, with three digits that count.
export function signed(value) {
  const text = Math.abs(value) >= 1000 ? Math.round(Math.abs(value)).toString() : Math.abs(value).toPrecision(3);
  return `${value < 0 ? "−" : "+"}${text}`;
}
