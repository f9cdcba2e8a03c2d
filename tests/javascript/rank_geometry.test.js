import assert from "node:assert/strict";
import { test } from "node:test";
import { rankLines } from "../../lib/view/components/rank_geometry.js";

const item = (id) => ({ id, colour: `colour of ${id}` });

test("equal photos are joined from the middle of their rows, others have a stub", () => {
  const lines = rankLines([item("a"), item("b")], [item("c"), item("a")], 10);
  assert.deepEqual(
    lines.map(({ id, isStub, path }) => [id, isStub, path]),
    [
      ["a", false, "M0 5 C50 5 50 15 100 15"],
      ["b", true, "M0 15 H22"],
      ["c", true, "M100 5 H78"],
    ],
  );
  assert.deepEqual(
    lines.map(({ colour }) => colour),
    ["colour of a", "colour of b", "colour of c"],
  );
});

test("empty rankings have no lines", () => {
  assert.deepEqual(rankLines([], [], 10), []);
});
