// Colour, size and drawing order of every point.

import { UNKNOWN } from "./columns.js";

const GREY = [140, 135, 148];
const [OPAQUE, SLIGHTLY_TRANSPARENT, FAINT] = [255, 205, 64];

export function rgb(hex) {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}

// A colour (RGBA) mixed with grey: a point that is not selected stays visible.
export function faded(colour) {
  return [0, 1, 2].map((channel) => 0.3 * colour[channel] + 0.7 * GREY[channel]).concat(FAINT);
}

// Bit `i` of `packed`, the most significant bit of a byte first, as numpy.packbits packs them.
export function bitAt(packed, i) {
  return (packed[i >> 3] >> (7 - (i & 7))) & 1;
}

// `colours` (4 bytes a point), `sizes` in px, and in `order` the points that `isShown`: those that are faded or unknown
// first, so that the others lie above them.
export function pointStyles({ codes, palette, lit, point_size: size }, isShown) {
  const colours = new Uint8Array(4 * codes.length);
  const sizes = new Uint8Array(codes.length);
  const [back, front] = [[], []];
  const vivid = [...palette.map(rgb), GREY].map((colour) => [...colour, lit ? OPAQUE : SLIGHTLY_TRANSPARENT]);
  const faint = vivid.map(faded);
  for (let i = 0; i < codes.length; i++) {
    if (!isShown(i)) continue;
    const isBright = !lit || bitAt(lit, i);
    colours.set((isBright ? vivid : faint)[Math.min(codes[i], palette.length)], 4 * i);
    sizes[i] = size + (lit && isBright ? 2 : 0);
    (isBright && codes[i] !== UNKNOWN ? front : back).push(i);
  }
  return { colours, sizes, order: Uint32Array.from(back.concat(front)) };
}
