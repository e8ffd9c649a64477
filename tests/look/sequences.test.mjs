// Keys of the row under a terminal: run by `node --test`, from tests/look/test_javascript.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sequence, withControl } from "../../static/eve/serial/sequences.js";

test("keys are sent as xterm sends them", () => {
  assert.equal(sequence("Escape"), "\x1b");
  assert.equal(sequence("Tab"), "\t");
  assert.equal(sequence("Up"), "\x1b[A");
  assert.equal(sequence("Up", true), "\x1bOA", "the form that vi and less ask for");
  assert.equal(sequence("End"), "\x1b[F");
  assert.equal(sequence("F1"), "\x1bOP");
  assert.equal(sequence("F5"), "\x1b[15~");
  assert.equal(sequence("F12"), "\x1b[24~");
  assert.throws(() => sequence("Hyper"));
});

test("Ctrl makes a control character of what has one", () => {
  assert.equal(sequence("Control+c"), "\x03");
  assert.equal(withControl("D"), "\x04");
  assert.equal(withControl("["), "\x1b");
  assert.equal(withControl("ü"), "ü");
  assert.equal(withControl("1"), "1");
});
