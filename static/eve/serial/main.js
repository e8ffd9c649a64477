// The serial console's composition root: as console/main.js, with a terminal in place of the screen.

import { isAtHome, pointHome } from "../address.js";
import "../eve.js";
import { Refused, sessionOf, stateOf, ticket } from "../console/api.js";
import { Power } from "../console/power.js";
import { ConsoleSession } from "../console/session.js";
import { View } from "../console/view.js";
import { Viewers } from "../console/viewers.js";
import { Watch } from "../console/watch.js";
import { word } from "../console/words.js";
import { Line } from "./line.js";

const page = document.body.dataset;
const view = new View(page.vmName);
const session = new ConsoleSession({ vmState: page.state, mode: page.canControl === "yes" ? "control" : "view" });
const line = new Line({
  target: document.getElementById("line"),
  library: page.xterm,
  fitting: page.xtermFit,
  again: word("again"),
  tell: dispatch,
});
const viewers = new Viewers({
  url: page.viewersUrl,
  sessions: page.sessionUrl,
  own: () => (session.phase === "connected" ? session.session : null),
  toldMode: (mode) => {
    if (mode === session.mode) return;
    dispatch({ type: "told_mode", mode });
    shown(session.phase);
    view.tell(mode === "control" ? "got-control" : "lost-control");
  },
  tell: (...words) => view.tell(...words),
});
const watch = new Watch({
  liveUrl: page.liveUrl,
  vm: page.vmId,
  ask: () => stateOf(page.stateUrl),
  tell: (state) => {
    dispatch({ type: "vm", state });
    view.showState(state, power.doing);
  },
  viewers: () => viewers.refresh(),
});
const power = new Power({ url: page.stateUrl, name: page.vmName, session, view, watch, dispatch });
let waitTimer = 0;

function dispatch(event) {
  if (!isAtHome) return;
  const before = session.phase;
  const effects = session.dispatch(event);
  for (const effect of effects) carry(effect);
  watch.isEager = Boolean(power.doing) || session.phase === "off" || session.phase === "waiting";
  watch.isPaused = session.phase === "ended" && session.cause.clear;
  if (effects.length || before !== session.phase) shown(before);
}

function carry(effect) {
  switch (effect.do) {
    case "ask":
      return void ask(effect);
    case "open":
      return void open(effect);
    case "look-up":
      return void lookUp(effect);
    case "wait":
      waitTimer = setTimeout(() => dispatch({ type: "elapsed", turn: effect.turn }), effect.ms);
      return undefined;
    case "cancel-wait":
      return clearTimeout(waitTimer);
    case "close":
      return line.close();
    case "clear":
      return line.clear();
    default:
      return undefined; // a line has no quality to lower
  }
}

function shown(before) {
  view.show(session);
  line.viewOnly = session.phase !== "connected" || session.mode !== "control";
  for (const button of document.querySelectorAll("[data-line]")) button.disabled = line.viewOnly;
  if (session.phase !== "connected" || before === "connected") return;
  viewers.refresh();
  view.tell(session.mode === "control" ? "connected" : "connected-view");
  if (!document.querySelector("dialog[open], details.menu[open]")) line.focus();
}

async function ask({ mode, resume, turn, force }) {
  try {
    const answer = await ticket(page.ticketUrl, { mode, resume, kind: "serial", force });
    dispatch({ type: "ticket", turn, url: answer.url, session: answer.session, mode: answer.mode });
  } catch (error) {
    dispatch(failure(error, turn));
  }
}

async function open({ url, turn }) {
  try {
    await line.open(url, turn);
  } catch {
    line.close();
    view.showOnly("library");
  }
}

async function lookUp({ session: id, turn }) {
  try {
    const { state, close_code: code, reason } = await sessionOf(page.sessionUrl, id);
    dispatch({ type: "looked_up", turn, state, code, reason });
  } catch (error) {
    dispatch(failure(error, turn));
  }
}

function failure(error, turn) {
  return error instanceof Refused ? { type: "refused", turn, problem: error.problem } : { type: "unreachable", turn };
}

async function fullScreen() {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen({ navigationUI: "hide" });
    line.focus();
  } catch {
    view.tell("full-screen-refused");
  }
}

const DO = {
  retry: () => dispatch({ type: "retry" }),
  force: () => dispatch({ type: "force" }),
  reload: () => location.reload(),
  start: () => power.run("start"),
  "full-screen": fullScreen,
  // A serial line carries no window size: a shell in the guest has to be told.
  size: () => {
    const { rows, columns } = line.size;
    line.send(`stty rows ${rows} cols ${columns}\r`);
    line.focus();
  },
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && !button.disabled) DO[button.dataset.do]?.(button);
});
// Before the terminal sees it: the way out of what takes every key.
document.getElementById("line").addEventListener(
  "keydown",
  (event) => {
    const isWayOut = event.ctrlKey && event.altKey && event.shiftKey && ["Control", "Alt", "Shift", "Meta"].includes(event.key);
    if (!isWayOut) return;
    event.preventDefault();
    event.stopPropagation();
    document.querySelector("#bar a").focus();
    view.tell("released");
  },
  { capture: true },
);
document.addEventListener("visibilitychange", () => dispatch({ type: document.hidden ? "hidden" : "visible" }));
addEventListener("online", () => dispatch({ type: "online" }));
addEventListener("pagehide", () => {
  line.close();
  watch.stop();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

view.showState(page.state);
if (isAtHome) {
  if (document.hidden) dispatch({ type: "hidden" });
  dispatch({ type: "start" });
  watch.start();
  line.load().catch(() => view.showOnly("library"));
} else {
  view.showOnly("elsewhere");
  pointHome(document.getElementById("card-body"));
}
