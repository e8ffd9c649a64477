// The console page's composition root: events of the page, of noVNC, of Eve go to the session; its effects are carried out here.

import { isAtHome, pointHome } from "../address.js";
import "../eve.js";
import { keepPicture, Refused, sessionOf, stateOf, ticket } from "./api.js";
import { Dictation } from "./dictation.js";
import { Discs } from "./discs.js";
import { combination } from "./keys.js";
import { savePicture } from "./picture.js";
import { Power } from "./power.js";
import { Screen } from "./screen.js";
import { ConsoleSession } from "./session.js";
import { Typing } from "./typing.js";
import { View } from "./view.js";
import { Viewers } from "./viewers.js";
import { Watch } from "./watch.js";
import { word } from "./words.js";

const QUALITIES = { sharp: [9, 0], balanced: [6, 2], saver: [2, 7] };
const WINDOW_SIZE = "popup,width=1296,height=872";

const page = document.body.dataset;
const name = page.vmName;
const mayControl = page.canControl === "yes";

const view = new View(name);
const session = new ConsoleSession({ vmState: page.state, mode: mayControl ? "control" : "view" });
const screen = new Screen({
  target: document.getElementById("screen"),
  ghost: document.getElementById("ghost"),
  library: page.novnc,
  tell: dispatch,
});
screen.label = word("screen", { name });
screen.viewOnly = !mayControl;
const watch = new Watch({
  liveUrl: page.liveUrl,
  vm: page.vmId,
  ask: () => stateOf(page.stateUrl),
  tell: (state) => {
    dispatch({ type: "vm", state });
    view.showState(state, power.doing);
  },
  viewers: () => viewers?.refresh(),
});
const viewers = page.viewersUrl
  ? new Viewers({
      url: page.viewersUrl,
      sessions: page.sessionUrl,
      own: () => (session.phase === "connected" ? session.session : null),
      toldMode,
      tell: (...words) => view.tell(...words),
    })
  : null;

const dictation = page.typingUrl && mayControl
  ? new Dictation({ url: page.typingUrl, keyboards: page.keyboardUrl, screen, tell: (...words) => view.tell(...words) })
  : null;

if (page.discUrl) new Discs({ url: page.discUrl, tell: (...words) => view.tell(...words) });

const power = new Power({ url: page.stateUrl, name, session, view, watch, dispatch });
let waitTimer = 0;

// ------------------------------------------------------------------------------------------------ events and effects

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
      return void askTicket(effect);
    case "open":
      return void openScreen(effect);
    case "look-up":
      return void lookUp(effect);
    case "wait":
      waitTimer = setTimeout(() => dispatch({ type: "elapsed", turn: effect.turn }), effect.ms);
      return undefined;
    case "cancel-wait":
      return clearTimeout(waitTimer);
    case "close":
      return screen.close();
    case "clear":
      return screen.clear();
    case "lower-quality":
      setQuality("saver");
      return view.tell("quality-lowered");
    default:
      throw new Error(`unknown effect ${effect.do}`);
  }
}

function shown(before) {
  view.show(session);
  const isControlling = session.phase === "connected" && session.mode === "control";
  view.allowKeys(isControlling);
  screen.viewOnly = session.mode !== "control";
  if (!isControlling) dictation?.lost();
  document.querySelector('[data-do="view-only"]')?.setAttribute("aria-checked", String(session.mode === "view"));
  if (session.phase === "connected" && before !== "connected") {
    viewers?.refresh();
    view.tell(session.mode === "control" ? "connected" : "connected-view");
    if (isControlling && !document.querySelector("dialog[open], details.menu[open]")) screen.focus();
  }
}

function toldMode(mode) {
  if (mode === session.mode) return;
  dispatch({ type: "told_mode", mode });
  shown(session.phase);
  view.tell(mode === "control" ? "got-control" : "lost-control");
}

async function askTicket({ mode, resume, turn }) {
  try {
    const answer = await ticket(page.ticketUrl, { mode, resume });
    dispatch({ type: "ticket", turn, url: answer.url, session: answer.session, mode: answer.mode });
  } catch (error) {
    dispatch(failure(error, turn));
  }
}

async function openScreen({ url, turn }) {
  try {
    await screen.open(url, turn);
  } catch {
    screen.close();
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

// ------------------------------------------------------------------------------------------------ the bar

async function picture(button, make, told) {
  button.disabled = true;
  try {
    await make();
    view.tell(told);
  } catch (error) {
    view.tell("picture-failed", {}, error instanceof Refused ? error.problem.detail : "");
  } finally {
    button.disabled = false;
  }
}

function setQuality(name) {
  if (!QUALITIES[name]) return;
  screen.quality = QUALITIES[name];
  for (const button of document.querySelectorAll("[data-quality]")) {
    button.setAttribute("aria-pressed", String(button.dataset.quality === name));
  }
  document.querySelector("[data-quality-word]").textContent = word(`quality-${name}`);
  remember("quality", name);
}

function setScale(isFitting) {
  screen.isFitting = isFitting;
  document.getElementById("stage").classList.toggle("one-to-one", !isFitting);
  document.querySelector('[data-do="scale"]').setAttribute("aria-pressed", String(isFitting));
  document.querySelector("[data-scale-word]").textContent = word(isFitting ? "fit" : "one-to-one");
  remember("scale", isFitting ? "fit" : "1:1");
}

function remember(key, value) {
  try {
    localStorage.setItem(`eve-console-${key}`, value);
  } catch {
    // Storage may be forbidden; the choice then holds for this page.
  }
}

function remembered(key) {
  try {
    return localStorage.getItem(`eve-console-${key}`);
  } catch {
    return null;
  }
}

async function fullScreen() {
  try {
    if (document.fullscreenElement) {
      await document.exitFullscreen();
      return;
    }
    await document.documentElement.requestFullscreen({ navigationUI: "hide" });
    if (session.mode === "control") await navigator.keyboard?.lock?.();
    screen.focus();
  } catch {
    if (!document.fullscreenElement) view.tell("full-screen-refused");
  }
}

function ownWindow() {
  const opened = window.open(location.pathname, `eve-console-${page.vmId}`, WINDOW_SIZE);
  if (!opened) {
    view.tell("popup-blocked");
    return;
  }
  opened.focus();
  if (opened !== window) dispatch({ type: "leave" });
}

function hold(button) {
  const isHeld = button.getAttribute("aria-pressed") !== "true";
  const [[keysym, code]] = combination(button.dataset.hold);
  screen.key(keysym, code, isHeld);
  for (const each of document.querySelectorAll(`[data-hold="${CSS.escape(button.dataset.hold)}"]`)) {
    each.setAttribute("aria-pressed", String(isHeld));
  }
}

function releaseHeld() {
  for (const button of document.querySelectorAll('[data-hold][aria-pressed="true"]')) {
    if (button.getAttribute("aria-pressed") === "true") hold(button);
  }
}

const DO = {
  retry: () => dispatch({ type: "retry" }),
  reload: () => location.reload(),
  start: () => power.run("start"),
  "ctrl-alt-del": () => {
    screen.ctrlAltDel();
    if (document.activeElement !== field) screen.focus();
  },
  scale: (button) => setScale(button.getAttribute("aria-pressed") !== "true"),
  screenshot: (button) => picture(button, () => savePicture(page.screenshotUrl, name), "picture-saved"),
  "keep-picture": (button) => picture(button, () => keepPicture(page.screenshotsUrl), "picture-kept"),
  "own-window": ownWindow,
  "full-screen": fullScreen,
  "view-only": (button) => {
    const mode = button.getAttribute("aria-checked") === "true" ? "control" : "view";
    screen.viewOnly = mode === "view"; // at once; the new ticket makes it so on the server
    dispatch({ type: "mode", mode });
  },
  "function-keys": (button) => {
    const row = document.getElementById("phone-f");
    row.hidden = !row.hidden;
    button.setAttribute("aria-expanded", String(!row.hidden));
  },
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do], [data-power], [data-press], [data-hold], [data-quality]");
  if (!button || button.disabled) return;
  const { do: what, power: action, press, hold: held, quality } = button.dataset;
  if (action) power.run(action);
  else if (press) {
    screen.press(combination(press));
    releaseHeld();
    if (button.matches(".menu-it")) screen.focus(); // the menu closes: typing goes on
  } else if (held) hold(button);
  else if (quality) setQuality(quality);
  else DO[what]?.(button);
});

// ------------------------------------------------------------------------------------------------ the keyboard

const stage = document.getElementById("stage");
const field = document.getElementById("typing");

// Before noVNC sees it: the way out of a screen that takes every key.
stage.addEventListener(
  "keydown",
  (event) => {
    const isWayOut = event.ctrlKey && event.altKey && event.shiftKey && ["Control", "Alt", "Shift", "Meta"].includes(event.key);
    if (!isWayOut || event.target !== screen.canvas) return;
    event.preventDefault();
    event.stopPropagation();
    screen.blur();
    document.querySelector("#bar a, #bar button, #bar summary").focus();
    view.tell("released");
  },
  { capture: true },
);
// What is down in the guest is let go when the screen loses the focus, or a key would stay down there for good.
stage.addEventListener("focusout", (event) => {
  if (event.target === screen.canvas) screen.releaseKeys();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || event.target.closest?.("canvas, input, textarea, dialog")) return;
  event.preventDefault();
  document.getElementById("help").showModal();
});

document.addEventListener("fullscreenchange", () => {
  document.querySelector('[data-do="full-screen"]').setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
  if (!document.fullscreenElement) navigator.keyboard?.unlock?.();
});
document.addEventListener("visibilitychange", () => dispatch({ type: document.hidden ? "hidden" : "visible" }));
addEventListener("online", () => dispatch({ type: "online" }));
addEventListener("pagehide", () => {
  screen.close();
  watch.stop();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// ------------------------------------------------------------------------------------------------ start

if (field) new Typing(field, document.querySelector("[data-do=keyboard]"), screen);
setQuality(remembered("quality") ?? "balanced");
setScale(remembered("scale") !== "1:1");
view.showState(page.state);
view.allowKeys(false);
if (isAtHome) {
  if (document.hidden) dispatch({ type: "hidden" });
  dispatch({ type: "start" });
  watch.start();
  screen.load().catch(() => view.showOnly("library"));
} else {
  view.showOnly("elsewhere");
  pointHome(document.getElementById("card-body"));
}
