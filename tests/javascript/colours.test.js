import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  bitAt,
  contrast,
  faded,
  GREY,
  hex,
  LEAST_CONTRAST,
  packedBits,
  pointStyles,
  rgb,
  rimColour,
} from "../../lib/view/components/scatter_parts/colours.js";

const DATA = { codes: Uint16Array.from([0, 1, 0xffff, 1]), palette: ["#ff0000", "#0000ff"], lit: null, point_size: 4 };
const all = () => true;
const WHITE = [255, 255, 255];
// What the app draws on, and every colour that it gives to a class, a split or a verdict.
const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const GROUNDS = [...read(".streamlit/config.toml").matchAll(/^backgroundColor = "(#\w{6})"/gm)].map(([, each]) => each);
const COLOURS = [...new Set(read("lib/view/theme.py").match(/#[0-9a-fA-F]{6}/g))];

test("a colour is read from its hexadecimal digits", () => {
  assert.deepEqual(rgb("#0072B2"), [0, 0x72, 0xb2]);
});

test("a faded colour is mostly grey and mostly transparent", () => {
  const [red, green, blue, alpha] = faded([255, 0, 0, 255]);
  assert.ok(red < 255 && red > green && green > 80 && blue > 80);
  assert.equal(alpha, 64);
});

test("bits are counted as numpy.packbits packs them", () => {
  const packed = Uint8Array.from([0b10100000, 0b00000001]);
  assert.deepEqual(
    Array.from({ length: 16 }, (_, i) => bitAt(packed, i)),
    [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  );
});

test("without a selection every point has its colour, and unknown ones are grey and lie lowest", () => {
  const { colours, sizes, order } = pointStyles(DATA, all, WHITE);
  assert.deepEqual([...colours.subarray(0, 4)], [255, 0, 0, 205]);
  assert.deepEqual([...colours.subarray(8, 12)], [140, 135, 148, 205]);
  assert.deepEqual([...sizes], [4, 4, 4, 4]);
  assert.deepEqual([...order], [2, 0, 1, 3]);
});

test("selected points are opaque, larger and above the faded ones", () => {
  const { colours, sizes, order } = pointStyles({ ...DATA, lit: Uint8Array.from([0b01000000]) }, all, WHITE);
  assert.deepEqual([...colours.subarray(4, 8)], [0, 0, 255, 255]);
  assert.equal(colours[3], 64);
  assert.deepEqual([...sizes], [4, 6, 4, 4]);
  assert.deepEqual([...order], [0, 2, 3, 1]);
});

test("bits are packed as they are read", () => {
  const flags = [1, 0, 0, 1, 1, 0, 0, 0, 0, 1];
  assert.deepEqual([...packedBits(flags)], [0b10011000, 0b01000000]);
  assert.deepEqual(
    flags.map((_, i) => bitAt(packedBits(flags), i)),
    flags,
  );
});

test("contrast is that of WCAG", () => {
  assert.equal(contrast([0, 0, 0], WHITE), 21);
  assert.equal(contrast(WHITE, WHITE), 1);
  assert.ok(Math.abs(contrast(rgb("#767676"), WHITE) - 4.54) < 0.01);
});

test("every colour of a point has a rim that contrasts with the light and the dark ground", () => {
  assert.equal(GROUNDS.length, 2);
  assert.ok(COLOURS.length > 6);
  for (const ground of GROUNDS.map(rgb)) {
    for (const colour of [...COLOURS.map(rgb), GREY, rgb("#440154"), rgb("#fde725"), WHITE, [0, 0, 0]]) {
      const rim = rimColour(colour, ground);
      assert.ok(contrast(rim, ground) >= LEAST_CONTRAST, `${hex(colour)} on ${hex(ground)}`);
      // A colour that contrasts by itself is its own rim.
      if (contrast(colour, ground) >= LEAST_CONTRAST) assert.deepEqual(rim, colour);
    }
  }
});

test("the edge of the toolbar contrasts with both grounds", () => {
  const edge = rgb(read("lib/view/components/scatter.css").match(/--rim: (#\w{6})/)[1]);
  for (const ground of GROUNDS.map(rgb)) assert.ok(contrast(edge, ground) >= LEAST_CONTRAST);
});

test("a selected point has its rim, a faded one has none", () => {
  const { colours, rims } = pointStyles({ ...DATA, lit: Uint8Array.from([0b01000000]) }, all, WHITE);
  assert.deepEqual([...rims.subarray(0, 4)], [...colours.subarray(0, 4)]);
  assert.deepEqual([...rims.subarray(4, 8)], [0, 0, 255, 255]);
});

test("hidden points are not drawn", () => {
  const { order } = pointStyles(DATA, (i) => DATA.codes[i] !== 1, WHITE);
  assert.deepEqual([...order], [2, 0]);
});
