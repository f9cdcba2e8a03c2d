import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeColumn, decodeData, isUnchanged } from "../../lib/view/components/scatter_parts/columns.js";

const encode = (values) => Buffer.from(values.buffer).toString("base64");

const SENT = {
  xy: encode(Float32Array.from([0, 1, 2.5, -3])),
  rows: encode(Uint32Array.from([7, 70_000])),
  labels: encode(Uint16Array.from([0, 1])),
  codes: encode(Uint16Array.from([1, 0xffff])),
  values: null,
  lit: null,
  ids: JSON.stringify(["a.jpg", "b.jpg"]),
  title: "a map",
};

test("a column is decoded as it was encoded", () => {
  assert.deepEqual(decodeColumn(SENT.xy, Float32Array), Float32Array.from([0, 1, 2.5, -3]));
  assert.deepEqual(decodeColumn(SENT.rows, Uint32Array), Uint32Array.from([7, 70_000]));
});

test("data has its columns decoded and everything else as it came", () => {
  const data = decodeData(SENT, null);
  assert.deepEqual([...data.codes], [1, 0xffff]);
  assert.deepEqual(data.ids, ["a.jpg", "b.jpg"]);
  assert.deepEqual([data.values, data.lit, data.title], [null, null, "a map"]);
  assert.equal(data.sent, SENT);
});

test("an unchanged column is the same array again, a changed one is decoded", () => {
  const before = decodeData(SENT, null);
  const lit = encode(Uint8Array.from([0b10000000]));
  const after = decodeData({ ...SENT, lit }, before);
  assert.equal(after.xy, before.xy);
  assert.equal(after.ids, before.ids);
  assert.deepEqual([...after.lit], [128]);
  assert.equal(decodeData(SENT, after).lit, null);
});

test("nothing is unchanged before the first update", () => {
  assert.equal(isUnchanged(null, SENT, "xy"), false);
});
