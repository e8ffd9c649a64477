// What the doctor measures on websockets: run by `node --test`, from tests/look/test_javascript.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openEcho, testBytes, testQuiet, testScreen } from "../../static/eve/doctor/probes.js";

/** A websocket whose far end is the test: `far(bytes, socket)` hears what is sent. */
function farEnd({ first = [1], protocol, far = (bytes, socket) => socket.say(bytes), closes = null }) {
  globalThis.WebSocket = class extends EventTarget {
    static OPEN = 1;
    constructor(url, protocols) {
      super();
      this.readyState = 0;
      this.protocol = protocol ?? protocols[0] ?? "";
      setTimeout(() => {
        if (closes && !closes.opens) return this.end(closes.code);
        this.readyState = 1;
        this.dispatchEvent(new Event("open"));
        if (first) this.say(Uint8Array.from(first));
        if (closes) setTimeout(() => this.end(closes.code, closes.reason), closes.ms);
      });
    }
    say(bytes) {
      const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
      setTimeout(() => this.dispatchEvent(Object.assign(new Event("message"), { data })));
    }
    end(code, reason = "") {
      this.readyState = 3;
      this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
    }
    send(bytes) {
      far(bytes, this);
    }
    close() {
      this.readyState = 3;
    }
  };
}

const codes = ({ findings }) => findings.map(([code]) => code);
const line = async () => (await openEcho("/ws/x", "p")).line;

test("a good line", async () => {
  farEnd({});
  const found = await testBytes(await line(), "p");
  assert.deepEqual(codes(found), []);
  assert.ok(found.worst >= found.typical);
});

test("one that does not open", async () => {
  farEnd({ closes: { code: 1006 } });
  assert.equal(await openEcho("/ws/x", "p"), null);
});

test("bytes that change on the way, one of them", async () => {
  const far = (bytes, socket) => socket.say(bytes.map((value) => (value === 255 ? 254 : value)));
  farEnd({ far: (bytes, socket) => (bytes.length > 8 ? far(bytes, socket) : socket.say(bytes)) });
  assert.deepEqual(codes(await testBytes(await line(), "p")), ["bytes_changed"]);
});

test("a subprotocol that is lost only needs care, and the rest is measured", async () => {
  farEnd({ protocol: "" });
  const found = await testBytes(await line(), "p");
  assert.deepEqual(codes(found), ["subprotocol_lost"]);
  assert.ok(found.typical >= 0);
});

test("a line that breaks off in use", async () => {
  farEnd({ far: (_bytes, socket) => socket.end(1011) });
  const { findings } = await testBytes(await line(), "p");
  assert.deepEqual(findings, [["broke_off", { code: 1011 }]]);
});

test("small messages that are held back", { timeout: 15_000 }, async () => {
  farEnd({ far: () => {} });
  assert.deepEqual((await testBytes(await line(), "p")).findings, [["held_back", { seconds: 5 }]]);
});

test("a first word that does not come", { timeout: 15_000 }, async () => {
  farEnd({ first: null });
  assert.deepEqual(codes(await testBytes(await line(), "p")), ["no_first_bytes"]);
});

test("a quiet line: open, cut before a ping, cut after one, dead", { timeout: 20_000 }, async () => {
  const quiet = { seconds: 0.3, pingSeconds: 0.15, tick: () => {} };
  farEnd({});
  assert.deepEqual(codes(await testQuiet(await line(), quiet)), []);
  farEnd({ closes: { opens: true, code: 1006, ms: 40 } });
  assert.deepEqual(codes(await testQuiet(await line(), { ...quiet, seconds: 2, pingSeconds: 1 })), ["cut_short"]);
  farEnd({ closes: { opens: true, code: 1006, ms: 200 } });
  assert.deepEqual(codes(await testQuiet(await line(), { ...quiet, seconds: 2, pingSeconds: 0.05 })), ["cut_though_pinged"]);
  farEnd({ far: () => {} });
  assert.deepEqual(codes(await testQuiet(await line(), quiet)), ["dead_line"]);
});

test("the screen: its first word, another's, none but Eve's reason", async () => {
  farEnd({ first: Buffer.from("RFB 003.008\n") });
  assert.deepEqual((await testScreen("/ws/x")).version, "RFB 003.008");
  farEnd({ first: Buffer.from("HTTP/1.1 ") });
  assert.deepEqual(codes(await testScreen("/ws/x")), ["screen_not_rfb"]);
  farEnd({ first: null, closes: { opens: true, code: 4005, reason: "No display.", ms: 5 } });
  assert.deepEqual((await testScreen("/ws/x")).findings, [["screen_refused", { detail: "No display." }]]);
});
