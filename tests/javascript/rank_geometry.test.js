import assert from "node:assert/strict";
import { test } from "node:test";
import { rankLines } from "../../lib/view/components/rank_geometry.js";

const item = (id) => ({ id, colour: `colour of ${id}` });

test("equal photos are joined from the middle of their columns, others have a stub", () => {
  const lines = rankLines([item("a"), item("b")], [item("c"), item("a")], 10);
  assert.deepEqual(
    lines.map(({ id, isStub, path }) => [id, isStub, path]),
    [
      ["a", false, "M5 0 C5 50 15 50 15 100"],
      ["b", true, "M15 0 V26"],
      ["c", true, "M5 100 V74"],
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
