import assert from "node:assert/strict";
import { test } from "node:test";
import { bitAt, faded, pointStyles, rgb } from "../../lib/view/components/scatter_parts/colours.js";

const DATA = { codes: Uint16Array.from([0, 1, 0xffff, 1]), palette: ["#ff0000", "#0000ff"], lit: null, point_size: 4 };
const all = () => true;

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
  const { colours, sizes, order } = pointStyles(DATA, all);
  assert.deepEqual([...colours.subarray(0, 4)], [255, 0, 0, 205]);
  assert.deepEqual([...colours.subarray(8, 12)], [140, 135, 148, 205]);
  assert.deepEqual([...sizes], [4, 4, 4, 4]);
  assert.deepEqual([...order], [2, 0, 1, 3]);
});

test("selected points are opaque, larger and above the faded ones", () => {
  const { colours, sizes, order } = pointStyles({ ...DATA, lit: Uint8Array.from([0b01000000]) }, all);
  assert.deepEqual([...colours.subarray(4, 8)], [0, 0, 255, 255]);
  assert.equal(colours[3], 64);
  assert.deepEqual([...sizes], [4, 6, 4, 4]);
  assert.deepEqual([...order], [0, 2, 3, 1]);
});

test("hidden points are not drawn", () => {
  const { order } = pointStyles(DATA, (i) => DATA.codes[i] !== 1);
  assert.deepEqual([...order], [2, 0]);
});
