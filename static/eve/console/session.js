// The console's state machine. Pure: events go in, effects come out; nothing here touches the page, the network or a clock.
//
//   asking ─ticket─> opening ─host─> drawing ─screen─> connected
//      │                │               │                  │
//      └──────────── a cause (causes.js) ──────────────────┘──(close without a reason)──> checking ─> a cause
//   a cause ─> waiting (tries again) | off (until the VM runs) | ended (until the person asks)
//
// Every attempt has a number, its turn. What an earlier turn still has to say is ignored.

import { BLOCKED, causeOfClose, causeOfProblem, NETWORK, OWN_WINDOW, VM_OFF } from "./causes.js";

const BACKOFF_MS = [1000, 2000, 4000, 8000, 10_000];
const BACKOFF_MAX_MS = 10_000;
const JITTER = 0.25;
/** What Eve tells the end of is tried now and then only: each try is in the audit. */
const TOLD_MS = 60_000;
/** A console that lived this long was no flapping one: the next break starts again with the shortest wait. */
const STEADY_MS = 10_000;

const WITHOUT_SCREEN = new Set(["off", "missing"]);
const WITH_SCREEN = new Set(["running", "paused", "shutting_down", "sleeping"]);
/** A guest that crashed may have left its screen to be read, or have gone with its QEMU: its host is asked once. */
const MAY_HAVE_SCREEN = "crashed";
const LIVE = new Set(["asking", "opening", "drawing", "connected", "checking"]);

export class ConsoleSession {
  /**
   * @param {{vmState?: string, mode?: "control"|"view", random?: () => number}} options
   */
  constructor({ vmState = "unknown", mode = "control", random = Math.random } = {}) {
    this.phase = "idle";
    /** @type {import("./causes.js").Cause|null} why there is no screen, in the phases waiting, off and ended */
    this.cause = null;
    this.mode = mode;
    this.vmState = vmState;
    this.session = null;
    this.turn = 0;
    this.attempt = 0;
    this.waitMs = 0;
    this.isHidden = false;
    this.random = random;
    this.connectedAtMs = 0;
    this.mayResume = false;
    this.isDue = false;
  }

  /** Whether the page is trying to show, or shows, the screen. */
  get isLive() {
    return LIVE.has(this.phase);
  }

  /**
   * Takes an event and returns the effects, in order.
   * Events of one attempt carry its `turn`; all carry `now` in milliseconds where time matters.
   * @returns {Array<object>}
   */
  dispatch(event) {
    if (event.turn !== undefined && event.turn !== this.turn) return [];
    const handler = this[`on_${event.type}`];
    if (!handler) throw new Error(`unknown event ${event.type}`);
    return handler.call(this, event) ?? [];
  }

  // ---------------------------------------------------------------------------------------------- events

  on_start() {
    return WITHOUT_SCREEN.has(this.vmState) ? this.#settle(VM_OFF) : this.#ask();
  }

  on_ticket({ session, url, mode }) {
    if (this.phase !== "asking") return [];
    this.phase = "opening";
    this.session = session;
    this.mode = mode ?? this.mode;
    return [{ do: "open", url, turn: this.turn }];
  }

  on_refused({ problem }) {
    if (this.phase === "checking") return this.#checked(problem);
    return this.phase === "asking" ? this.#settle(causeOfProblem(problem)) : [];
  }

  on_unreachable() {
    return this.phase === "asking" || this.phase === "checking" ? this.#settle(NETWORK) : [];
  }

  on_host() {
    if (this.phase === "opening") this.phase = "drawing";
    return [];
  }

  on_screen({ now }) {
    if (this.phase !== "drawing" && this.phase !== "opening") return [];
    this.phase = "connected";
    this.cause = null;
    this.connectedAtMs = now;
    this.mayResume = true;
    return [];
  }

  /** The websocket closed: with one of Eve's codes, or without saying why. */
  on_closed({ code, reason, now }) {
    if (!this.isLive || this.phase === "asking" || this.phase === "checking") return [];
    if (this.phase === "connected" && now - this.connectedAtMs >= STEADY_MS) this.attempt = 0;
    const cause = causeOfClose(code, reason);
    if (cause) return this.#settle(cause);
    this.phase = "checking";
    return [{ do: "look-up", session: this.session, turn: this.turn }];
  }

  /** What Eve says of a session that broke off. */
  on_looked_up({ state, code, reason }) {
    if (this.phase !== "checking") return [];
    return this.#settle((state === "ended" && causeOfClose(code, reason)) || NETWORK);
  }

  /** The wait is over. A hidden page waits until somebody looks. */
  on_elapsed() {
    if (this.phase !== "waiting") return [];
    if (this.isHidden) {
      this.isDue = true;
      return [];
    }
    return this.#ask();
  }

  on_hidden() {
    this.isHidden = true;
    return [];
  }

  on_visible() {
    this.isHidden = false;
    return this.phase === "waiting" && this.isDue ? this.#ask() : [];
  }

  /** The browser says that the network is back. */
  on_online() {
    return this.phase === "waiting" && !this.isHidden ? this.#ask() : [];
  }

  /** The person asks for it. */
  on_retry() {
    if (this.isLive) return [];
    this.attempt = 0;
    return this.#ask();
  }

  /** The person takes the serial line from whoever holds it. */
  on_force() {
    if (this.isLive) return [];
    this.attempt = 0;
    return this.#ask({ force: true });
  }

  /** The VM's state, as the live channel or a poll tells. */
  on_vm({ state }) {
    const isNews = this.vmState !== state;
    this.vmState = state;
    if (this.phase === "off" && (WITH_SCREEN.has(state) || (isNews && state === MAY_HAVE_SCREEN))) return this.#ask();
    if (this.phase !== "waiting") return [];
    if (WITHOUT_SCREEN.has(state)) return this.#settle(VM_OFF);
    const isWorthATry = WITH_SCREEN.has(state) || state === MAY_HAVE_SCREEN;
    return isNews && isWorthATry && !this.isHidden ? this.#ask() : [];
  }

  /** Its state is not to be had: while it is off nothing else tells that it is gone, or that one is signed out. */
  on_state_refused({ problem }) {
    const cause = causeOfProblem(problem);
    return this.phase === "off" && cause.then === "end" ? this.#settle(cause) : [];
  }

  /** Control or view only: a session's mode is its ticket's, so another ticket is needed. */
  on_mode({ mode }) {
    if (mode === this.mode) return [];
    this.mode = mode;
    if (!this.isLive) return [];
    this.mayResume = false;
    return [{ do: "close" }, ...this.#ask()];
  }

  /** Somebody gave this session the keyboard, or took it: it goes on. */
  on_told_mode({ mode }) {
    if (this.phase === "connected") this.mode = mode;
    return [];
  }

  /** The screen moves to a window of its own. */
  on_leave() {
    return [{ do: "close" }, ...this.#settle(OWN_WINDOW)];
  }

  // ---------------------------------------------------------------------------------------------- inside

  #ask({ force = false } = {}) {
    this.turn += 1;
    this.phase = "asking";
    this.isDue = false;
    const resume = this.mayResume ? this.session : null;
    return [{ do: "cancel-wait" }, { do: "ask", mode: this.mode, resume, turn: this.turn, ...(force ? { force } : {}) }];
  }

  /** Asking about a broken session was refused: a session that Eve never began means that the websocket did not get through. */
  #checked(problem) {
    if (problem.status === 404) return this.#settle(this.mayResume ? NETWORK : BLOCKED);
    return this.#settle(causeOfProblem(problem));
  }

  #settle(cause) {
    this.turn += 1;
    this.cause = cause;
    if (cause.forget) {
      this.mayResume = false;
      this.session = null;
    }
    const effects = [{ do: "cancel-wait" }];
    if (cause.clear) effects.push({ do: "clear" });
    if (cause.key === "too_slow") effects.push({ do: "lower-quality" });
    if (cause.then === "off") {
      this.phase = "off";
    } else if (cause.then === "end") {
      this.phase = "ended";
    } else {
      this.phase = "waiting";
      const isTold = cause.isTold && this.vmState === "unknown";
      this.waitMs = Math.max(this.#backoffMs(), cause.afterMs ?? 0, isTold ? TOLD_MS : 0);
      this.attempt += 1;
      effects.push({ do: "wait", ms: this.waitMs, turn: this.turn });
    }
    return effects;
  }

  #backoffMs() {
    const base = BACKOFF_MS[Math.min(this.attempt, BACKOFF_MS.length - 1)];
    return Math.min(BACKOFF_MAX_MS, Math.round(base * (1 - JITTER + 2 * JITTER * this.random())));
  }
}
