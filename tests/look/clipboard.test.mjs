// What of a guest's text the console's clipboard shows: run by `node --test`, from tests/look/test_javascript.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_CHARACTERS, plain } from "../../static/eve/console/clipboard.js";

test("text stays as it was copied", () => {
  const text = "naïve\tשלום 🐧\n  <b>&amp;</b>\n";
  assert.equal(plain(text), text);
});

test("line ends are this page's", () => {
  assert.equal(plain("a\r\nb\rc"), "a\nb\nc");
});

test("what a terminal would obey is not there", () => {
  assert.equal(plain("a\0b\x1b[31mc\x07d\x7fe\u009bf"), "ab[31mcdef");
});

test("no more is taken than a page shows well, and no half of a character", () => {
  assert.equal(plain("x".repeat(MAX_CHARACTERS + 1)).length, MAX_CHARACTERS);
  assert.equal(plain("x".repeat(MAX_CHARACTERS - 1) + "🐧").length, MAX_CHARACTERS - 1);
});
