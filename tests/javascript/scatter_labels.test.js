import assert from "node:assert/strict";
import { test } from "node:test";
import { isolated, toggled } from "../../lib/view/components/scatter_parts/legend.js";
import { readableLabels } from "../../lib/view/components/scatter_parts/overlay.js";
import { tooltipLines, tooltipPosition } from "../../lib/view/components/scatter_parts/tooltip.js";

const DATA = {
  classes: ["rose", "tulip"],
  labels: [0, 1, 1],
  codes: [0, 1, 0xffff],
  values: null,
  legend: [
    { code: 0, name: "rose" },
    { code: 1, name: "train" },
  ],
  scale: null,
  ids: ["a.jpg", "b.jpg", "c.jpg"],
};

test("a tooltip names class, colour value and id, and nothing twice", () => {
  assert.deepEqual(tooltipLines(DATA, 0), ["rose", "a.jpg"]);
  assert.deepEqual(tooltipLines(DATA, 1), ["tulip · train", "b.jpg"]);
  assert.deepEqual(tooltipLines(DATA, 2), ["tulip", "c.jpg"]);
});

test("a number has three digits, or is unknown", () => {
  const data = { ...DATA, scale: { title: "Purity" }, values: [0.123456, Number.NaN] };
  assert.equal(tooltipLines(data, 0)[0], "rose · Purity: 0.123");
  assert.equal(tooltipLines(data, 1)[0], "tulip · Purity: unknown");
});

test("the tooltip stays inside the chart", () => {
  const size = { width: 800, height: 620 };
  assert.deepEqual(tooltipPosition(size, 100, 300), [114, 240]);
  assert.deepEqual(tooltipPosition(size, 790, 10), [536, 4]);
  assert.deepEqual(tooltipPosition(size, 100, 615), [114, 430]);
});

test("a rank that would cover an earlier one is left out", () => {
  assert.deepEqual(
    readableLabels([
      [100, 100],
      [110, 105],
      [110, 120],
      [130, 100],
    ]),
    [
      [0, 100, 100],
      [2, 110, 120],
      [3, 130, 100],
    ],
  );
});

test("a click on the legend hides a code or shows it again", () => {
  const hidden = new Set([1]);
  assert.deepEqual(toggled(hidden, 2), new Set([1, 2]));
  assert.deepEqual(toggled(hidden, 1), new Set());
  assert.deepEqual(hidden, new Set([1]));
});

test("a double click shows a code alone, a second one shows all", () => {
  assert.deepEqual(isolated([0, 1, 2], 1, new Set()), new Set([0, 2]));
  assert.deepEqual(isolated([0, 1, 2], 1, new Set([0, 2])), new Set());
  assert.deepEqual(isolated([0, 1, 2], 1, new Set([0, 1])), new Set([0, 2]));
});
