import assert from "node:assert/strict";
import { mock, test } from "node:test";
import drawn from "../../lib/view/components/drawn.js";

// The browser's frames, of which `paint` draws the next one.
function frames() {
  const waiting = [];
  globalThis.requestAnimationFrame = (then) => waiting.push(then) - 1;
  globalThis.cancelAnimationFrame = (id) => {
    waiting[id] = null;
  };
  return () => {
    for (const then of waiting.splice(0)) then?.();
  };
}

test("it reports once that the page is drawn, also when the page runs again", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const paint = frames();
  const parentElement = {};
  const said = [];
  const run = () => drawn({ parentElement, setStateValue: (...what) => said.push(what) });
  const end = run();
  assert.deepEqual(said, []);
  paint();
  mock.timers.tick(1000);
  assert.deepEqual(said, [["drawn", true]]);
  end();
  assert.equal(run(), undefined);
  paint();
  mock.timers.tick(1000);
  assert.equal(said.length, 1);
  mock.timers.reset();
});

test("a page that is left before it was drawn reports nothing", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const paint = frames();
  const said = [];
  drawn({ parentElement: {}, setStateValue: (...what) => said.push(what) })();
  paint();
  mock.timers.tick(1000);
  assert.deepEqual(said, []);
  mock.timers.reset();
});
