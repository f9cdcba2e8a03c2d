import assert from "node:assert/strict";
import { test } from "node:test";
import { densestPlaces, placedNames, visiblePlaces } from "../../lib/view/components/scatter_parts/class_labels.js";

const SIZE = { width: 400, height: 300 };
const width = (name) => 8 * name.length;
const all = () => true;
// Five roses around (1, 1), one far away; three tulips around (8, 8).
const DATA = {
  xy: Float32Array.from([1, 1, 1.1, 1, 0.9, 1, 1, 1.1, 1, 0.9, 9, 1, 8, 8, 8.1, 8, 7.9, 8]),
  labels: Uint16Array.from([0, 0, 0, 0, 0, 0, 1, 1, 1]),
  classes: ["rose", "tulip"],
};
const WHOLE = [0, 0, 10, 10];

test("a name stands on a point of its class where these lie densest, and the largest class comes first", () => {
  const places = densestPlaces(DATA, all, WHOLE);
  assert.deepEqual(
    places.map(({ name, count }) => [name, count]),
    [
      ["rose", 6],
      ["tulip", 3],
    ],
  );
  assert.deepEqual([places[0].x, places[0].y], [1, 1]);
  assert.deepEqual([places[1].x, places[1].y], [8, 8]);
});

test("a hidden class has no name, and a part of the plane has only its own points", () => {
  assert.deepEqual(
    densestPlaces(DATA, (i) => DATA.labels[i] !== 0, WHOLE).map(({ name }) => name),
    ["tulip"],
  );
  const [rose] = densestPlaces(DATA, all, [5, 0, 10, 5]);
  assert.deepEqual([rose.count, rose.x, rose.y], [1, 9, 1]);
});

test("points without a name, or no points, make no names", () => {
  assert.deepEqual(densestPlaces({ ...DATA, classes: ["", "tulip"] }, all, WHOLE).length, 1);
  assert.deepEqual(densestPlaces({ xy: new Float32Array(), labels: [], classes: [] }, all, WHOLE), []);
});

test("points whose label has no name are left out", () => {
  const labels = Uint16Array.from([0, 0, 0, 0, 0, 0, 0xffff, 0xffff, 0xffff]);
  assert.deepEqual(
    densestPlaces({ ...DATA, labels }, all, WHOLE).map(({ name, count }) => [name, count]),
    [["rose", 6]],
  );
});

test("a class whose densest place is out of view is named at its densest place in view, if it has enough points", () => {
  const whole = [
    { name: "rose", count: 6, x: 1, y: 1 },
    { name: "tulip", count: 3, x: 8, y: 8 },
  ];
  const isVisible = (x) => x > 5;
  assert.deepEqual(visiblePlaces(whole, [{ name: "rose", count: 1, x: 9, y: 1 }], isVisible), [whole[1]]);
  const many = { name: "rose", count: 5, x: 9, y: 1 };
  assert.deepEqual(visiblePlaces(whole, [many], isVisible), [many, whole[1]]);
});

test("names do not overlap and stay inside the chart; an earlier one keeps its place", () => {
  const places = Array.from({ length: 30 }, (_, i) => ({ name: `name ${i}`, left: 200 + (i % 3), top: 150 }));
  const placed = placedNames(places, width, SIZE);
  assert.deepEqual([placed[0].left, placed[0].top, placed[0].from], [200, 150, null]);
  assert.ok(placed.length > 4 && placed.length < 30);
  for (const [i, one] of placed.entries()) {
    assert.ok(one.left - one.width / 2 >= 0 && one.left + one.width / 2 <= SIZE.width);
    for (const other of placed.slice(0, i)) {
      const isApart = Math.abs(one.left - other.left) >= (one.width + other.width) / 2;
      assert.ok(isApart || Math.abs(one.top - other.top) >= 16);
    }
  }
  assert.ok(placed.some(({ from }) => from !== null));
});

test("a name at the edge is moved inside, and one that is wider than the chart is left out", () => {
  const [moved] = placedNames([{ name: "rose", left: 5, top: 150 }], width, SIZE);
  assert.ok(moved.left > 5);
  assert.deepEqual(placedNames([{ name: "x".repeat(100), left: 200, top: 150 }], width, SIZE), []);
});
