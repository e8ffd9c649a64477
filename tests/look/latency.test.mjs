// What the console's bar makes of the times that its line takes: run by `node --test`, from tests/look/test_javascript.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { barsOf, Latency, SLOW_MS, typicalOf } from "../../static/eve/console/latency.js";

test("the slower the line, the fewer bars", () => {
  assert.deepEqual([1, 60, 100, 200, SLOW_MS, SLOW_MS + 1, 5000].map(barsOf), [4, 4, 3, 2, 2, 1, 1]);
});

test("a single late answer is no slow line", () => {
  assert.equal(typicalOf([20, 22, 900, 21, 23]), 22);
  assert.equal(typicalOf([20, 900]), 20);
  assert.equal(typicalOf([]), undefined);
});

/** A page of one place, and a clock that the test sets. */
function measured(t) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const clock = { now: 0 };
  t.mock.method(performance, "now", () => clock.now);
  const words = { textContent: "" };
  const place = { hidden: true, dataset: { latency: "short" }, querySelector: () => words };
  globalThis.document = {
    hidden: false,
    documentElement: { dir: "ltr" },
    getElementById: () => ({ content: { querySelector: (name) => ({ textContent: `${name} {ms}` }) } }),
  };
  globalThis.CSS = { escape: String };
  const asked = [];
  const latency = new Latency({ ask: () => asked.push(clock.now) > 0, places: [place] });
  return { latency, clock, place, words, asked };
}

test("each answer is timed, and nothing is asked twice at once", (t) => {
  const { latency, clock, place, words, asked } = measured(t);
  latency.look();
  clock.now = 24;
  latency.answered();
  assert.equal(place.hidden, false);
  assert.equal(words.textContent, '[data-word="line-good-short"] 24');
  t.mock.timers.tick(4000);
  clock.now = 4024;
  t.mock.timers.tick(4000);
  assert.equal(asked.length, 2);
  assert.equal(words.textContent, '[data-word="line-slow-short"] 4000', "still waited for");
  assert.equal(place.dataset.bars, 1);
});

test("an answer that nobody waits for, or that came while nobody looked, tells nothing", (t) => {
  const { latency, clock, place } = measured(t);
  latency.answered();
  latency.look();
  document.hidden = true;
  clock.now = 60_000;
  latency.look();
  latency.answered();
  assert.equal(place.hidden, true);
});

test("what is not known any more is not shown", (t) => {
  const { latency, place } = measured(t);
  latency.look();
  latency.answered();
  latency.lost();
  assert.equal(place.hidden, true);
});
