// What the pages of both consoles do alike: the way from the session's effects to Eve and back, the machine's power, who watches, and
// what every bar has. What is shown differs: a screen or a serial line, here called the surface.

import { isAtHome, pointHome } from "../address.js";
import { announce } from "../eve.js";
import { Refused, sessionOf, stateOf, ticket } from "./api.js";
import { Discs } from "./discs.js";
import { Power } from "./power.js";
import { ConsoleSession } from "./session.js";
import { View } from "./view.js";
import { Viewers } from "./viewers.js";
import { Watch } from "./watch.js";
import { word } from "./words.js";

const WINDOW_SIZE = "popup,width=1296,height=872";
const HOLDS_THE_WAY_OUT = ["Control", "Alt", "Shift", "Meta"];

/**
 * @typedef {object} Surface
 * @property {HTMLElement} target             what is around it
 * @property {() => Promise<void>} load       loads its library; may be called early
 * @property {(path: string, turn: number) => Promise<void>} open  opens the websocket at that path of Eve's, and tells how it goes
 * @property {() => void} close               ends the console from this side
 * @property {() => void} clear               ends it and takes away all that it showed
 * @property {() => void} focus               gives it the keyboard
 * @property {() => void} blur                gives the keyboard back to the page
 * @property {boolean} viewOnly               whether nothing may be sent
 * @property {() => void} [lowerQuality]      shows less, to keep up
 */

export class ConsolePage {
  #facts = document.body.dataset;
  #waitTimer = 0;
  #isCrashTold = false;

  /**
   * @param {"vnc"|"serial"} kind
   * @param {(tell: (event: object) => void) => Surface} surfaceFor  makes the surface; its events are told to `tell`
   * @param {() => void} changed  is called whenever the session stands elsewhere than before
   */
  constructor({ kind, surfaceFor, changed = () => {} }) {
    const { vmName: name, vmId: vm, state, stateUrl, liveUrl, viewersUrl, sessionUrl, discUrl } = this.#facts;
    this.kind = kind;
    this.name = name;
    this.mayControl = this.#facts.canControl === "yes";
    this.changed = changed;
    this.tell = (...words) => this.view.tell(...words);
    const dispatch = (event) => this.dispatch(event);
    this.view = new View(name);
    this.session = new ConsoleSession({ vmState: state, mode: this.mayControl ? "control" : "view" });
    this.surface = surfaceFor(dispatch);
    this.surface.viewOnly = true;
    this.viewers = viewersUrl
      ? new Viewers({
          url: viewersUrl,
          sessions: sessionUrl,
          own: () => (this.session.phase === "connected" ? this.session.session : null),
          toldMode: (mode) => this.#toldMode(mode),
          tell: this.tell,
        })
      : null;
    this.watch = new Watch({
      liveUrl,
      vm,
      ask: () => this.#askState(),
      tell: (learnt) => this.#toldState(learnt),
      refused: (problem) => dispatch({ type: "state_refused", problem }),
      viewers: () => this.viewers?.refresh(),
      latencies: document.querySelectorAll("[data-latency]"),
    });
    this.power = new Power({ url: stateUrl, name, session: this.session, view: this.view, watch: this.watch, dispatch });
    if (discUrl) new Discs({ url: discUrl, tell: this.tell });
    this.actions = {
      retry: () => dispatch({ type: "retry" }),
      force: () => dispatch({ type: "force" }),
      reload: () => location.reload(),
      start: () => this.power.run("start"),
      "own-window": () => this.#ownWindow(),
      "full-screen": () => this.#fullScreen(),
      "function-keys": showFunctionKeys,
    };
  }

  /** Whether what is pressed reaches the guest. */
  get isControlling() {
    return this.session.phase === "connected" && this.session.mode === "control";
  }

  /** Begins. `actions` are what the page's own buttons do, by their data-do. */
  start(actions = {}) {
    Object.assign(this.actions, actions);
    this.#listen();
    this.view.showState(this.#facts.state);
    this.view.allowKeys(false);
    if (!isAtHome) {
      this.view.showOnly("elsewhere");
      pointHome(document.getElementById("card-body"));
      return;
    }
    if (document.hidden) this.dispatch({ type: "hidden" });
    this.dispatch({ type: "start" });
    this.watch.start();
    this.surface.load().catch(() => this.view.showOnly("library"));
  }

  // ---------------------------------------------------------------------------------------------- events and effects

  /** Takes an event of the page, of the surface or of Eve to the session, and carries its effects out. */
  dispatch(event) {
    if (!isAtHome) return;
    const { session, watch } = this;
    const before = session.phase;
    const effects = session.dispatch(event);
    for (const effect of effects) this.#carry(effect);
    watch.isEager = Boolean(this.power.doing) || session.phase === "off" || session.phase === "waiting";
    watch.isPaused = session.phase === "ended" && session.cause.clear;
    if (effects.length || before !== session.phase) this.#show(before);
  }

  #carry(effect) {
    switch (effect.do) {
      case "ask":
        return void this.#ask(effect);
      case "open":
        return void this.#open(effect);
      case "look-up":
        return void this.#lookUp(effect);
      case "wait":
        this.#waitTimer = setTimeout(() => this.dispatch({ type: "elapsed", turn: effect.turn }), effect.ms);
        return undefined;
      case "cancel-wait":
        return clearTimeout(this.#waitTimer);
      case "close":
        return this.surface.close();
      case "clear":
        return this.surface.clear();
      case "lower-quality":
        return this.surface.lowerQuality?.();
      default:
        throw new Error(`unknown effect ${effect.do}`);
    }
  }

  #show(before) {
    const { session, view, surface, isControlling } = this;
    view.show(session);
    view.allowKeys(isControlling);
    surface.viewOnly = !isControlling;
    this.changed();
    if (session.phase !== "connected" || before === "connected") return;
    this.viewers?.refresh();
    if (isControlling) announce(word("connected", { name: view.name })); // the picture says it to others, and a prompt at its foot stays in sight
    else view.tell("connected-view");
    this.#tellOfCrash();
    if (isControlling && !document.querySelector("dialog[open], details.menu[open]")) surface.focus();
  }

  async #ask({ mode, resume, turn, force }) {
    try {
      const answer = await ticket(this.#facts.ticketUrl, { mode, resume, kind: this.kind, force });
      this.dispatch({ type: "ticket", turn, url: answer.url, session: answer.session, mode: answer.mode });
    } catch (error) {
      this.dispatch(failure(error, turn));
    }
  }

  async #open({ url, turn }) {
    try {
      await this.surface.open(url, turn);
    } catch {
      this.surface.close();
      this.view.showOnly("library");
    }
  }

  async #lookUp({ session, turn }) {
    try {
      const { state, close_code: code, reason } = await sessionOf(this.#facts.sessionUrl, session);
      this.dispatch({ type: "looked_up", turn, state, code, reason });
    } catch (error) {
      this.dispatch(failure(error, turn));
    }
  }

  /** The VM's state. A guest's page hears nothing of viewers, so that it asks as well what it may do itself. */
  async #askState() {
    const { stateUrl, sessionUrl } = this.#facts;
    const { session } = this.session;
    if (!this.viewers && this.session.phase === "connected") {
      const { mode } = await sessionOf(sessionUrl, session);
      if (this.session.phase === "connected" && this.session.session === session) this.#toldMode(mode);
    }
    return stateOf(stateUrl);
  }

  #toldMode(mode) {
    if (mode === this.session.mode) return;
    this.dispatch({ type: "told_mode", mode });
    this.#show(this.session.phase);
    this.tell(mode === "control" ? "got-control" : "lost-control");
  }

  #toldState(state) {
    this.dispatch({ type: "vm", state });
    this.view.showState(state, this.power.doing);
    this.#tellOfCrash();
  }

  /** What a guest that crashed left on its surface looks alive: it is said once. */
  #tellOfCrash() {
    const isCrashed = this.session.phase === "connected" && this.session.vmState === "crashed";
    if (isCrashed && !this.#isCrashTold) this.tell("crashed-screen");
    this.#isCrashTold = isCrashed;
  }

  // ---------------------------------------------------------------------------------------------- what every bar has

  async #fullScreen() {
    try {
      if (document.fullscreenElement) {
        await document.exitFullscreen();
        return;
      }
      await document.documentElement.requestFullscreen({ navigationUI: "hide" });
      if (this.isControlling) await navigator.keyboard?.lock?.();
      this.surface.focus();
    } catch {
      if (!document.fullscreenElement) this.tell("full-screen-refused");
    }
  }

  #ownWindow() {
    const opened = window.open(location.pathname, `eve-${this.kind}-${this.#facts.vmId}`, WINDOW_SIZE);
    if (!opened) {
      this.tell("popup-blocked");
      return;
    }
    opened.focus();
    if (opened !== window) this.dispatch({ type: "leave" });
  }

  #listen() {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do], [data-power]");
      if (!button || button.disabled) return;
      if (button.dataset.power) this.power.run(button.dataset.power);
      else this.actions[button.dataset.do](button);
    });
    // Before the surface sees it: the way out of what takes every key.
    this.surface.target.addEventListener("keydown", (event) => this.#wayOut(event), { capture: true });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "?" || event.target.closest?.("canvas, input, textarea, dialog")) return;
      event.preventDefault();
      document.getElementById("help").showModal();
    });
    document.addEventListener("fullscreenchange", () => {
      const isFull = Boolean(document.fullscreenElement);
      document.querySelector('[data-do="full-screen"]').setAttribute("aria-pressed", String(isFull));
      if (!isFull) navigator.keyboard?.unlock?.();
    });
    document.addEventListener("visibilitychange", () => this.dispatch({ type: document.hidden ? "hidden" : "visible" }));
    addEventListener("online", () => this.dispatch({ type: "online" }));
    addEventListener("pagehide", () => {
      this.surface.close();
      this.watch.stop();
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted) location.reload();
    });
  }

  #wayOut(event) {
    const isHeld = event.ctrlKey && event.altKey && event.shiftKey && HOLDS_THE_WAY_OUT.includes(event.key);
    if (!isHeld || event.getModifierState("AltGraph")) return; // on Windows AltGr is Ctrl and Alt: Shift with it types letters
    event.preventDefault();
    event.stopPropagation();
    this.surface.blur();
    document.querySelector("#bar a, #bar button, #bar summary").focus();
    this.tell("released");
  }
}

/** On a phone there is no room for all rows of keys at once. */
function showFunctionKeys(button) {
  const row = document.getElementById("phone-f");
  row.hidden = !row.hidden;
  button.setAttribute("aria-expanded", String(!row.hidden));
}

function failure(error, turn) {
  return error instanceof Refused ? { type: "refused", turn, problem: error.problem } : { type: "unreachable", turn };
}
