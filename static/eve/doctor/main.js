// The doctor: walks from this page to the VM's screen hop by hop, and says where it ends.
//
//   page ─> socket ─> bytes ─> quiet         browser to Eve; the last takes a minute and waits for nobody
//     └───> host ──> vm ──> screen           Eve to the VM; the screen needs the websocket too

import { Refused, request, ticket, Unreachable } from "../console/api.js";
import { announce } from "../eve.js";
import { filled } from "../names.js";
import { openEcho, testBytes, testQuiet, testScreen } from "./probes.js";
import { View } from "./view.js";
import { word } from "../console/words.js";

const HOST_MS = 90_000;
const WAY = { page: "eve-bad", socket: "eve-bad", bytes: "eve-bad", host: "host-bad", vm: "screen-bad", screen: "screen-bad" };
const { doctorUrl, ticketUrl, subprotocol, quietSeconds, pingSeconds } = document.getElementById("doctor").dataset;
const asked = `?page=${encodeURIComponent(location.origin)}`;
const view = new View();
let turn = 0;

/** A finding of the page's own, with its words from the template. */
function own(code, values = {}) {
  const texts = document.querySelector(`template[data-finding="${CSS.escape(code)}"]`);
  const finding = { code, is_broken: texts.dataset.broken === "yes", lines: JSON.parse(texts.dataset.lines) };
  for (const part of ["what", "meaning", "remedy"]) {
    finding[part] = filled(texts.content.querySelector(`[data-part="${part}"]`).textContent.trim(), values);
  }
  return finding;
}

const ownAll = (pairs) => pairs.map(([code, values]) => own(code, values));

/** Why a request failed. `refused` is the finding where Eve itself said no. */
function failed(error, refused) {
  if (error instanceof Unreachable) return own("unreachable");
  if (!(error instanceof Refused)) throw error;
  const { status, code, detail } = error.problem;
  return code ? own(refused, { detail: detail || String(status) }) : own("answer_not_eves", { status });
}

/** Shows a hop's end, and whether the way goes on there. */
function settle(hop, findings, shown = {}) {
  const isBroken = findings.some((finding) => finding.is_broken);
  view.row(hop, isBroken ? "bad" : findings.length ? "warn" : "ok", shown);
  view.found(hop, findings);
  return !isBroken;
}

class Stop extends Error {
  constructor(hop) {
    super(hop);
    this.hop = hop;
  }
}

// ------------------------------------------------------------------------------------------------ The hops

async function walkPage() {
  view.row("page", "now");
  const began = performance.now();
  let seen;
  try {
    seen = await request("GET", doctorUrl + asked);
  } catch (error) {
    settle("page", [failed(error, "post_refused")]);
    throw new Stop("page");
  }
  const shown = { detail: word("seen", seen), ms: performance.now() - began };
  try {
    const probe = await request("POST", doctorUrl);
    return { probe, isGood: settle("page", seen.findings, shown) };
  } catch (error) {
    settle("page", [...seen.findings, failed(error, "post_refused")], shown);
    throw new Stop("page");
  }
}

async function walkSocket({ probe, url }) {
  view.row("socket", "now");
  const opened = await openEcho(url, subprotocol);
  if (opened) {
    settle("socket", [], { ms: opened.ms });
    return opened.line;
  }
  let findings;
  try {
    findings = await request("GET", `${doctorUrl}/${probe}${asked}`);
  } catch (error) {
    findings = [failed(error, "post_refused")];
  }
  settle("socket", findings.length ? findings : [own("broke_off", { code: 1006 })]);
  throw new Stop("socket");
}

async function walkBytes(line) {
  view.row("bytes", "now");
  const { findings, typical, worst } = await testBytes(line, subprotocol);
  const detail = typical === undefined ? "" : word("round-trip", { typical: typical.toFixed(1), worst: worst.toFixed(1) });
  if (!settle("bytes", ownAll(findings), { detail, ms: typical ?? null })) throw new Stop("bytes");
}

async function walkQuiet(url, mine) {
  const total = Number(quietSeconds);
  const say = (seconds) => mine === turn && view.row("quiet", "now", { detail: word("quiet", { seconds, total }) });
  say(0);
  const opened = await openEcho(url, subprotocol);
  const pairs = opened
    ? (await testQuiet(opened.line, { seconds: total, pingSeconds: Number(pingSeconds), tick: say })).findings
    : [["broke_off", { code: 1006 }]];
  if (mine !== turn) return;
  const detail = pairs.length ? "" : word("stayed", { total, ping: pingSeconds });
  if (!settle("quiet", ownAll(pairs), { detail })) throw new Stop("quiet");
}

async function walkHost() {
  view.row("host", "now");
  const began = performance.now();
  let report;
  try {
    report = await request("POST", `${doctorUrl}/host`, null, HOST_MS);
  } catch (error) {
    settle("host", [failed(error, "post_refused")]);
    throw new Stop("host");
  }
  const detail = word("tested-at", { time: new Date(report.at).toLocaleTimeString() });
  const isGood = settle("host", report.host_findings, { detail, ms: performance.now() - began });
  view.steps("host", report.steps);
  if (!isGood || !report.steps.length) throw new Stop("host");
  if (!settle("vm", report.vm_findings)) throw new Stop("vm");
}

async function walkScreen() {
  view.row("screen", "now");
  let opening;
  try {
    opening = await ticket(ticketUrl, { mode: "view" });
  } catch (error) {
    settle("screen", [failed(error, "ticket_refused")]);
    throw new Stop("screen");
  }
  const { findings, ms = null, version = "" } = await testScreen(opening.url);
  const detail = version ? word("display", { version }) : "";
  if (!settle("screen", ownAll(findings), { detail, ms })) throw new Stop("screen");
}

// ------------------------------------------------------------------------------------------------ The walk

async function walk() {
  turn += 1;
  const mine = turn;
  const button = document.getElementById("again");
  button.disabled = true;
  view.reset();
  view.say("testing", {}, "busy");
  const broken = [];
  const stopped = (error) => {
    if (!(error instanceof Stop)) throw error;
    if (mine === turn) broken.push(error.hop);
    return false;
  };
  const done = (promise) => promise.then(() => true, stopped);
  try {
    const { probe, isGood } = await walkPage();
    if (!isGood) broken.push("page");
    let line = null;
    const toHost = done(walkHost());
    const byEve = await done(
      walkSocket(probe).then((opened) => {
        line = opened;
      }),
    );
    const carries = byEve && (await done(walkBytes(line)));
    if (carries) done(walkQuiet(probe.url, mine)).then(() => mine === turn && conclude(broken, true));
    view.way(carries ? "host-now" : "eve-bad");
    const toVm = await toHost;
    if (carries && toVm) {
      view.way("screen-now");
      await done(walkScreen());
    }
    conclude(broken, !carries);
  } catch (error) {
    stopped(error);
    conclude(broken, true);
  }
  button.disabled = false;
}

/** Says how it ended. `isOver`: whether nothing is measured any more. */
function conclude(broken, isOver) {
  const order = ["page", "socket", "bytes", "host", "vm", "screen", "quiet"];
  const [first] = order.filter((hop) => broken.includes(hop));
  view.way(first && first !== "quiet" ? WAY[first] : "all-ok");
  if (first) view.say("breaks", { hop: view.titleOf(first) }, "bad");
  else view.say(isOver ? "well" : "well-so-far", {}, "run");
  announce(document.getElementById("verdict").textContent);
  document.getElementById("doctor").dataset.state = isOver ? "over" : "quiet";
}

document.getElementById("again").addEventListener("click", walk);
const report = document.getElementById("report");
report.addEventListener("click", () => {
  report.dataset.copy = view.report(); // copied by eve.js, which hears the click next
});
walk();
