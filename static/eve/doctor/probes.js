// What the doctor measures on websockets. Each probe answers {findings: [[code, values]], …}: nothing found means that it is well.

import { SLOW_MS } from "../console/latency.js";
import { Line, within } from "./line.js";

const OPEN_MS = 10_000;
const ANSWER_MS = 5_000;
const SMALL = 12;
const SMALL_BYTES = 8;
const LARGE_BYTES = 32 * 1024;
const RFB = "RFB ";
const SCREEN_MS = 10_000;

/** A websocket to Eve's echo: {line, ms} where it opened, else null. */
export async function openEcho(url, protocol) {
  const began = performance.now();
  const line = new Line(url, [protocol]);
  if (await line.opens(OPEN_MS)) return { line, ms: performance.now() - began };
  line.close();
  return null;
}

/** Whether bytes go both ways: unasked, small, large, at once, unchanged. Closes the line. */
export async function testBytes(line, protocol) {
  try {
    return await measured(line, protocol);
  } finally {
    line.close();
  }
}

async function measured(line, protocol) {
  const findings = [];
  if (!(await line.next(ANSWER_MS))) return { findings: [lost(line, "no_first_bytes")] };
  if (line.socket.protocol !== protocol) findings.push(["subprotocol_lost", {}]);
  const times = [];
  for (let turn = 0; turn < SMALL; turn += 1) {
    const began = performance.now();
    const answer = await echoed(line, SMALL_BYTES);
    if (answer !== "same") return { findings: [...findings, answer] };
    times.push(performance.now() - began);
  }
  const answer = await echoed(line, LARGE_BYTES);
  if (answer !== "same") return { findings: [...findings, answer] };
  times.sort((a, b) => a - b);
  const [typical, worst] = [times[Math.floor(times.length / 2)], times.at(-1)];
  if (typical > SLOW_MS) findings.push(["slow_line", { milliseconds: Math.round(typical) }]);
  return { findings, typical, worst };
}

/** "same", or what was found where it does not come back as it was sent. */
async function echoed(line, size) {
  const sent = crypto.getRandomValues(new Uint8Array(size));
  if (size >= 256) for (let value = 0; value < 256; value += 1) sent[value] = value;
  line.send(sent);
  const came = await line.next(ANSWER_MS);
  if (!came) return lost(line, "held_back");
  const isSame = came.length === sent.length && came.every((value, place) => value === sent[place]);
  return isSame ? "same" : ["bytes_changed", {}];
}

function lost(line, code) {
  return line.ending ? ["broke_off", { code: line.ending.code }] : [code, { seconds: ANSWER_MS / 1000 }];
}

/** Whether a line without a word stays open. `tick(seconds)` hears how long it has. Closes the line. */
export async function testQuiet(line, { seconds, pingSeconds, tick }) {
  if (!(await line.next(ANSWER_MS))) return { findings: [lost(line, "no_first_bytes")] };
  const began = performance.now();
  const ticking = setInterval(() => tick(Math.floor((performance.now() - began) / 1000)), 1000);
  const ending = await within(seconds * 1000, line.closed);
  clearInterval(ticking);
  const quiet = (performance.now() - began) / 1000;
  const values = { seconds: quiet.toFixed(quiet < 10 ? 1 : 0), ping: pingSeconds };
  if (ending) return { findings: [[quiet < pingSeconds ? "cut_short" : "cut_though_pinged", values]] };
  const answer = await echoed(line, SMALL_BYTES);
  line.close();
  return { findings: answer === "same" ? [] : [["dead_line", values]], quiet };
}

/** Whether the VM's display answers: a console that looks only, closed at its first word. */
export async function testScreen(url) {
  const began = performance.now();
  const line = new Line(url);
  const first = await line.next(SCREEN_MS);
  const ms = performance.now() - began;
  const ending = line.ending;
  line.close();
  if (!first) {
    if (!ending) return { findings: [["screen_silent", { seconds: SCREEN_MS / 1000 }]] };
    return { findings: [["screen_refused", { detail: ending.reason || String(ending.code) }]] };
  }
  const word = new TextDecoder("latin1").decode(first);
  return word.startsWith(RFB) ? { findings: [], ms, version: word.slice(0, 11) } : { findings: [["screen_not_rfb", {}]] };
}
