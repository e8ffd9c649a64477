// Names in sentences of scripts: run by `node --test`, from tests/look/test_javascript.py.

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { documentElement: { dir: "" } };
const { filled, isolated } = await import("../../static/eve/names.js");

test("a name in the direction of its sentence stays what it is", () => {
  for (const name of ["web-01", "Zoë", "日本", "👩‍💻", ""]) assert.equal(isolated(name), name);
});

test("one of the other direction is isolated", () => {
  for (const name of ["שרת-7", "خادم (2)", "evil\u202Egnp.exe"]) assert.equal(isolated(name), `\u2068${name}\u2069`);
});

test("a sentence is filled; what has no value stays", () => {
  assert.equal(filled("{who} is watching {what}: {count}.", { who: "שרת-7", count: 3 }), "\u2068שרת-7\u2069 is watching {what}: 3.");
});
