// Colour, size and drawing order of every point. A point has a rim that contrasts with the ground at least 3 : 1
// (WCAG 2.2, success criterion 1.4.11), whatever its colour is.

import { UNKNOWN } from "./columns.js";

export const GREY = [140, 135, 148];
export const LEAST_CONTRAST = 3;
const [OPAQUE, SLIGHTLY_TRANSPARENT, FAINT] = [255, 205, 64];

export function rgb(hex) {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}

export function hex(colour) {
  return `#${colour.map((channel) => Math.round(channel).toString(16).padStart(2, "0")).join("")}`;
}

function luminance(colour) {
  const [red, green, blue] = colour.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

// The contrast ratio of two colours, 1 to 21, as WCAG defines it.
export function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

// The shade of a colour, nearest to it, that contrasts enough with `ground`: darker on a light one, else lighter.
export function rimColour(colour, ground) {
  const end = luminance(ground) > 0.18 ? 0 : 255;
  for (let share = 0; share < 1; share += 0.02) {
    const shade = colour.map((channel) => Math.round(channel + share * (end - channel)));
    if (contrast(shade, ground) >= LEAST_CONTRAST) return shade;
  }
  return [end, end, end];
}

// A colour (RGBA) mixed with grey: a point that is not selected stays visible.
export function faded(colour) {
  return [0, 1, 2].map((channel) => 0.3 * colour[channel] + 0.7 * GREY[channel]).concat(FAINT);
}

// Bit `i` of `packed`, the most significant bit of a byte first, as numpy.packbits packs them.
export function bitAt(packed, i) {
  return (packed[i >> 3] >> (7 - (i & 7))) & 1;
}

// The inverse of `bitAt`: one bit for each of `flags`.
export function packedBits(flags) {
  const packed = new Uint8Array(Math.ceil(flags.length / 8));
  for (let i = 0; i < flags.length; i++) if (flags[i]) packed[i >> 3] |= 128 >> (i & 7);
  return packed;
}

// `colours` and `rims` (4 bytes a point), `sizes` in px, and in `order` the points that `isShown`: those that are faded
// or unknown first, so that the others lie above them. A faded point has no rim.
export function pointStyles({ codes, palette, lit, point_size: size }, isShown, ground) {
  const colours = new Uint8Array(4 * codes.length);
  const rims = new Uint8Array(4 * codes.length);
  const sizes = new Uint8Array(codes.length);
  const [back, front] = [[], []];
  const plain = [...palette.map(rgb), GREY];
  const vivid = plain.map((colour) => [...colour, lit ? OPAQUE : SLIGHTLY_TRANSPARENT]);
  const faint = vivid.map(faded);
  const outlines = plain.map((colour) => [...rimColour(colour, ground), OPAQUE]);
  for (let i = 0; i < codes.length; i++) {
    if (!isShown(i)) continue;
    const isBright = !lit || bitAt(lit, i);
    const entry = Math.min(codes[i], palette.length);
    colours.set((isBright ? vivid : faint)[entry], 4 * i);
    rims.set((isBright ? outlines : faint)[entry], 4 * i);
    sizes[i] = size + (lit && isBright ? 2 : 0);
    (isBright && codes[i] !== UNKNOWN ? front : back).push(i);
  }
  return { colours, rims, sizes, order: Uint32Array.from(back.concat(front)) };
}
