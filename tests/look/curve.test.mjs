// The small curves of cards: run by `node --test`, from tests/look/test_javascript.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { curve } from "../../static/eve/curve.js";

test("a share of one is at the top, none at the bottom, and the last minute has its width", () => {
  assert.equal(curve([0, 1]).line, "M0 20L1 1L2 1");
  assert.equal(curve([0, 1]).area, "M0 20L1 1L2 1V20H0Z");
});

test("a machine at rest stays low", () => {
  assert.equal(curve([0.025]).line, "M0 18.1L1 18.1");
});

test("where nothing is known the line is broken", () => {
  assert.equal(curve([0, null, 0]).line, "M0 20L1 20M2 20L3 20");
  assert.equal(curve([0, null, 0]).area, "M0 20L1 20V20H0ZM2 20L3 20V20H2Z");
});

test("nothing known is no line", () => {
  assert.deepEqual(curve([]), { line: "", area: "" });
  assert.deepEqual(curve([null, null]), { line: "", area: "" });
});
