import assert from "node:assert/strict";
import { test } from "node:test";
import {
  classCounts,
  csvTable,
  insidePolygon,
  litColumn,
  matching,
} from "../../lib/view/components/map_page_parts/points.js";
import { bitAt } from "../../lib/view/components/scatter_parts/colours.js";
import { decodeColumn } from "../../lib/view/components/scatter_parts/columns.js";

const POINTS = {
  classes: ["daisy", "Rose", "tulip"],
  labels: Uint16Array.from([0, 1, 1, 2]),
  ids: ["daisy/1.jpg", 'Rose/a "b", c.jpg', "Rose/tulips.jpg", "tulip/4.jpg"],
};

test("points are inside a polygon by the even-odd rule, whichever way it was drawn", () => {
  const xy = Float32Array.from([1, 1, 5, 5, 2, 3, 9, 0]);
  const square = [
    [0, 0],
    [4, 0],
    [4, 4],
    [0, 4],
  ];
  assert.deepEqual(insidePolygon(xy, square), [true, false, true, false]);
  assert.deepEqual(insidePolygon(xy, square.toReversed()), [true, false, true, false]);
  // Twice around is outside again.
  assert.deepEqual(insidePolygon(xy, [...square, ...square]), [false, false, false, false]);
});

test("words find classes, and file names where no class has them", () => {
  assert.deepEqual(matching("ROSE", POINTS), [false, true, true, false]);
  assert.deepEqual(matching(" tul", POINTS), [false, false, false, true]);
  assert.deepEqual(matching("4.jpg", POINTS), [false, false, false, true]);
  assert.deepEqual(matching("  ", POINTS), [false, false, false, false]);
});

test("classes are counted, the largest first", () => {
  assert.deepEqual(classCounts([true, true, true, false], POINTS), [
    { name: "Rose", code: 1, count: 2 },
    { name: "daisy", code: 0, count: 1 },
  ]);
});

test("a table quotes its cells, and begins with its provenance", () => {
  assert.equal(
    csvTable([false, true, false, true], POINTS, { Data: "x\ny" }),
    '# {"Data":"x\\ny"}\nid,label\n"Rose/a ""b"", c.jpg","Rose"\n"tulip/4.jpg","tulip"\n',
  );
});

test("a selection becomes the column of lit points", () => {
  const flags = [true, false, false, true, false, false, false, false, true];
  const packed = decodeColumn(litColumn(flags), Uint8Array);
  assert.deepEqual(
    flags.map((_, i) => bitAt(packed, i) === 1),
    flags,
  );
  assert.equal(litColumn([false, false]), null);
});
