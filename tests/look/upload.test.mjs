// How a file is sent in pieces: where it goes on, how long pieces are, and when it gives up.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { digestsOf, inUnits, nextLength, Refused, send } from "../../static/eve/images/pieces.js";

const MIB = 1024 * 1024;
const MOST = 8 * MIB;

function fileOf(size) {
  return { size, slice: (start, end) => ({ start, length: Math.min(end, size) - start }) };
}

/** A server that keeps what comes; `faults` are thrown one by one before it answers. */
function serverWith(faults = [], received = 0) {
  const server = { received, isFinished: false, asked: [], places: [] };
  server.ask = async (method, path, { data, json } = {}) => {
    server.asked.push(method);
    if (method === "PUT") {
      const fault = faults.shift();
      if (fault) throw fault;
      server.places.push(data.start);
      server.received = data.start + data.length;
    }
    if (method === "POST") [server.isFinished, server.told] = [true, json];
    return { received_bytes: server.received, piece_bytes: MOST };
  };
  return server;
}

const wait = async () => {};

test("a file is sent whole, in longer and longer pieces, and then checked", async () => {
  const server = serverWith();
  await send(fileOf(20 * MIB), "/x", () => {}, { ask: server.ask, wait });
  assert.deepEqual(server.places, [0, MIB, 3 * MIB, 7 * MIB, 15 * MIB]);
  assert.ok(server.isFinished);
  assert.deepEqual(server.told, {});
});

test("it begins where the host's part ends", async () => {
  const file = new Blob([new Uint8Array(20 * MIB).fill(7)]);
  const server = serverWith([], 19 * MIB);
  server.ask = ((ask) => (method, path, { data, ...more } = {}) =>
    ask(method, path, { data: data && { start: 19 * MIB, length: data.size }, ...more }))(server.ask);
  await send(file, "/x", () => {}, { ask: server.ask, wait });
  assert.deepEqual(server.places, [19 * MIB]);
  assert.deepEqual(server.told, { digests_sha256: await digestsOf(file) });
});

test("a file is known by the digests of each four MiB of it", async () => {
  const part = createHash("sha256").update(new Uint8Array(4 * MIB)).digest();
  const rest = createHash("sha256").update(new Uint8Array(MIB)).digest();
  const wanted = createHash("sha256").update(part).update(rest).digest("hex");
  assert.equal(await digestsOf(new Blob([new Uint8Array(5 * MIB)])), wanted);
});

test("at another place than the host's it asks and goes on there", async () => {
  const server = serverWith([new Refused({ status: 409, received_bytes: 0, detail: "elsewhere" })]);
  await send(fileOf(2 * MIB), "/x", () => {}, { ask: server.ask, wait });
  assert.deepEqual(server.places, [0, MIB]);
  assert.deepEqual(server.asked.slice(0, 3), ["GET", "PUT", "GET"]);
});

test("a refusal ends it", async () => {
  const server = serverWith([new Refused({ status: 403, detail: "not yours" })]);
  await assert.rejects(send(fileOf(MIB), "/x", () => {}, { ask: server.ask, wait }), /not yours/);
  assert.ok(!server.isFinished);
});

test("a host that says another place for ever ends it", async () => {
  const fault = new Refused({ status: 409, received_bytes: 0, detail: "elsewhere" });
  const server = serverWith(Array(50).fill(fault));
  await assert.rejects(send(fileOf(MIB), "/x", () => {}, { ask: server.ask, wait }), /elsewhere/);
});

test("pieces fit the line", () => {
  assert.equal(nextLength(MIB, 100, MOST), 2 * MIB);
  assert.equal(nextLength(MOST, 100, MOST), MOST);
  assert.equal(nextLength(MIB, 5_000, MOST), MIB);
  assert.equal(nextLength(MIB, 20_000, MOST), MIB / 2);
  assert.equal(nextLength(64 * 1024, 20_000, MOST), 64 * 1024);
});

test("bytes in units", () => {
  assert.equal(inUnits(2 * 1024 * MIB), "2 GiB");
  assert.equal(inUnits(512), "512 B");
});
