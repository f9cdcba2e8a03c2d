import assert from "node:assert/strict";
import { test } from "node:test";
import {
  binCounts,
  chosenWords,
  passingRows,
  report,
  summary,
  total,
  withBins,
} from "../../lib/view/components/histogram_counts.js";

const LABEL = { name: "label", bins: ["rose", "tulip"], codes: [0, 0, 1, 1, 1] };
const SPLIT = { name: "split", bins: ["train", "test"], codes: [0, 1, 0, 1, 1] };
const BOTH = [LABEL, SPLIT];
const chosen = (choice) => new Map(Object.entries(choice).map(([name, bins]) => [name, new Set(bins)]));

test("a photo passes when its bin is chosen in every histogram that has a choice", () => {
  assert.deepEqual([...passingRows(BOTH, chosen({}), 5)], [1, 1, 1, 1, 1]);
  assert.deepEqual([...passingRows(BOTH, chosen({ label: [1] }), 5)], [0, 0, 1, 1, 1]);
  assert.deepEqual([...passingRows(BOTH, chosen({ label: [1], split: [1] }), 5)], [0, 0, 0, 1, 1]);
  assert.deepEqual([...passingRows(BOTH, chosen({ label: [0, 1], split: [0] }), 5)], [1, 0, 1, 0, 0]);
});

test("a histogram counts what passes the others, so that its own other bars can still be chosen", () => {
  const choice = chosen({ label: [1], split: [1] });
  assert.deepEqual(binCounts(LABEL, passingRows(BOTH, choice, 5, "label")), [1, 2]);
  assert.deepEqual(binCounts(SPLIT, passingRows(BOTH, choice, 5, "split")), [1, 2]);
  assert.deepEqual(binCounts(LABEL), [2, 3]);
  assert.equal(total(passingRows(BOTH, choice, 5)), 2);
});

test("a click chooses a bar, a second one does not; a drag does the same with a range", () => {
  const one = withBins(chosen({}), "purity", 3);
  assert.deepEqual(report(one), { purity: [3] });
  assert.deepEqual(report(withBins(one, "purity", 3)), {});
  const range = withBins(one, "purity", 5, 2);
  assert.deepEqual(report(range), { purity: [2, 3, 4, 5] });
  assert.deepEqual(report(withBins(range, "purity", 3, 4)), { purity: [2, 5] });
  assert.deepEqual(report(one), { purity: [3] }); // unchanged
});

test("the summary says how many pass, and of what the bars are without a filter", () => {
  assert.equal(summary(312, 4064, true, null), "312 of 4,064 photos pass");
  assert.equal(summary(24, 4064, false, 24), "No filter; 24 of 4,064 photos are selected");
  assert.equal(summary(4064, 4064, false, null), "No filter; all 4,064 photos");
});

test("what is chosen is said by names, or by the ends of a range", () => {
  assert.equal(chosenWords(["rose", "tulip"], new Set([1, 0]), false), "rose, tulip");
  assert.equal(chosenWords(["a", "b", "c", "d"], new Set([0, 1, 2, 3]), false), "4 chosen");
  assert.equal(chosenWords(["0 to 1", "1 to 2", "2 to 3"], new Set([1, 2]), true), "1 to 3");
  assert.equal(chosenWords(["0", "0.1", "0.2"], new Set([0, 2]), true), "0, 0.2");
  assert.equal(chosenWords(["0"], new Set(), true), "");
});
