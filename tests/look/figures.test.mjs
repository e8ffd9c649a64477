// What graphs make of figures: static/eve/figures.js.

import assert from "node:assert/strict";
import { test } from "node:test";

import { bytesWords, merged, nice, rateWords, rows, summary } from "../../static/eve/figures.js";

const graph = { step_seconds: 10, times: [100, 110, 120], cpu_cores: [1, null, 3], memory_bytes: [5, 6, 7] };

test("bytes are said in units that people use", () => {
  assert.equal(bytesWords(0), "0 B");
  assert.equal(bytesWords(1536), "1.5 KiB");
  assert.equal(rateWords(200 * 2 ** 20), "200 MiB/s");
});

test("an axis ends at a round number at or above the highest", () => {
  assert.equal(nice(1500, true), 2048);
  assert.equal(nice(90 * 2 ** 20, true), 100 * 2 ** 20);
  assert.equal(nice(0.3, false), 0.5);
  assert.equal(nice(2.1, false), 5);
  assert.equal(nice(null, true), 1024);
  for (const most of [1, 3, 999, 1023, 1025, 5e6, 7e9]) assert.ok(nice(most, true) >= most);
});

test("samples follow, and as many of the oldest go", () => {
  const fresh = merged(graph, { times: [120, 130, 140], cpu_cores: [4, 5, null], memory_bytes: [8, 9, null] });
  assert.deepEqual(fresh.times, [110, 120, 130]);
  assert.deepEqual(fresh.cpu_cores, [null, 4, 5]);
  assert.deepEqual(fresh.memory_bytes, [6, 8, 9]);
  assert.deepEqual(graph.times, [100, 110, 120]);
});

test("times that were missed stay a gap", () => {
  const fresh = merged(graph, { times: [140], cpu_cores: [9], memory_bytes: [9] });
  assert.deepEqual(fresh.times, [120, 130, 140]);
  assert.deepEqual(fresh.cpu_cores, [3, null, 9]);
});

test("unknown samples change nothing", () => {
  assert.equal(merged(graph, { times: [130], cpu_cores: [null], memory_bytes: [null] }), graph);
});

test("the newest known figure and the highest", () => {
  assert.deepEqual(summary(graph.times, graph.cpu_cores), { last: 3, at: 120, most: 3 });
  assert.deepEqual(summary(graph.times, [null, null, null]), { last: null, at: 0, most: null });
});

test("a table has twelve rows at most, newest first, each the mean of what is known", () => {
  const times = Array.from({ length: 360 }, (_, index) => index * 10);
  const column = times.map((_, index) => (index < 30 ? null : index));
  const found = rows(times, 10, [column]);
  assert.equal(found.length, 12);
  assert.deepEqual([found[0].since, found[0].until], [3300, 3600]);
  assert.equal(found[0].values[0], 344.5);
  assert.equal(found[11].values[0], null);
});
