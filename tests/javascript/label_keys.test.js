import assert from "node:assert/strict";
import { test } from "node:test";
import { actionOf, choices, matching } from "../../lib/view/components/label_keys.js";

test("letters count in either case, and other keys are none of the review's", () => {
  assert.deepEqual(["k", "K", "Enter", "r", "X", "s", "z"].map(actionOf), [
    "keep",
    "keep",
    "suggest",
    "choose",
    "exclude",
    "skip",
    "undo",
  ]);
  assert.deepEqual(["enter", "ArrowRight", "Escape", "1", ""].map(actionOf), [null, null, null, null, null]);
});

test("the chooser begins with the suggested class and leaves out the photo's own", () => {
  const classes = ["daisy", "rose", "tulip"];
  assert.deepEqual(choices(classes, "daisy", "tulip"), ["tulip", "rose"]);
  assert.deepEqual(choices(classes, "daisy", "daisy"), ["rose", "tulip"]);
});

test("a text leaves the classes that hold it, those that begin with it first; a number means a place", () => {
  const names = ["tulip", "rose", "primrose", "rosemary"];
  assert.deepEqual(matching(names, " ROSE "), ["rose", "rosemary", "primrose"]);
  assert.deepEqual(matching(names, "2"), ["rose"]);
  assert.deepEqual(matching(names, "9"), []);
  assert.deepEqual(matching(names, ""), names);
  assert.deepEqual(matching(["class 1", "class 12"], "12"), ["class 12"]);
});
