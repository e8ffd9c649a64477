// What the page shows of the session: the message card, the state, what is allowed just now.

import { ACTIONS_IN } from "./actions.js";
import { endingOf } from "./api.js";
import { hasWord, reason, word } from "./words.js";

/** A connection that comes at once needs no card: it would only flicker. */
const CARD_AFTER_MS = 300;
const COUNT_EVERY_MS = 250;
/** How long a sentence stays: time to see it, and to read a long one. */
const TOAST_MS = 3000;
const TOAST_MS_PER_CHARACTER = 60;

const OFF_CARD = { crashed: "crashed", missing: "missing" };

export class View {
  #shown = "";
  #delay = 0;
  #counting = 0;
  #toast = 0;

  constructor(name) {
    this.name = name;
    this.card = document.getElementById("card");
    this.body = document.getElementById("card-body");
    this.wait = document.getElementById("card-wait");
    this.stage = document.getElementById("stage");
    this.progress = document.getElementById("progress");
  }

  /** Which card goes with the session, or "" for none. */
  #cardOf(session) {
    if (session.phase === "idle" || session.phase === "connected") return "";
    if (session.phase === "off") return OFF_CARD[session.vmState] ?? "off";
    return session.cause && !session.isLive ? session.cause.key : session.phase;
  }

  /** Shows where the session stands. */
  show(session) {
    const key = this.#cardOf(session);
    if (document.body.dataset.phase === "connected" && session.phase !== "connected") this.progress.hidden = true;
    document.body.dataset.phase = session.phase;
    this.stage.classList.toggle("dimmed", session.phase !== "connected");
    clearTimeout(this.#delay);
    if (!key) {
      this.#hide();
    } else if (session.isLive && !this.#shown) {
      this.#delay = setTimeout(() => this.#put(key, session), CARD_AFTER_MS);
    } else {
      this.#put(key, session);
    }
    this.#count(session);
  }

  /** Shows a message that is no phase of the session. */
  showOnly(key) {
    clearTimeout(this.#delay);
    this.#put(key, { cause: null });
  }

  #hide() {
    this.#shown = "";
    this.card.hidden = true;
    this.body.replaceChildren();
  }

  #put(key, session) {
    const detail = session.isLive ? "" : reason(session.cause?.detail ?? "");
    const shown = `${key}\n${detail}`;
    if (this.#shown === shown) return;
    this.#shown = shown;
    const template = document.querySelector(`template[data-message="${CSS.escape(key)}"]`);
    this.card.dataset.tone = template.dataset.tone;
    this.card.dataset.message = key;
    this.card.hidden = false;
    this.body.setAttribute("role", template.dataset.role);
    const content = template.content.cloneNode(true);
    const place = content.querySelector("[data-detail]");
    if (place && detail) {
      place.textContent = detail;
      place.hidden = false;
    }
    const hadFocus = this.card.contains(document.activeElement);
    this.body.replaceChildren(content);
    this.#tellEnding();
    if (hadFocus || template.dataset.role === "alert") this.body.querySelector("button, a")?.focus();
  }

  /** Says on the card how the VM went off. Until Eve knows that it is off, it is asked for with each state. */
  #tellEnding() {
    const place = this.body.querySelector("[data-ending]:empty");
    if (place) tellEnding(place);
  }

  #count(session) {
    clearInterval(this.#counting);
    this.wait.hidden = session.phase !== "waiting";
    if (this.wait.hidden) return;
    const started = performance.now();
    const [bar, text] = this.wait.children;
    const tick = () => {
      const left = Math.max(0, session.waitMs - (performance.now() - started));
      bar.value = session.waitMs ? 1 - left / session.waitMs : 1;
      text.textContent = session.isHidden ? word("wait-hidden") : word("wait", { seconds: Math.ceil(left / 1000) });
    };
    tick();
    this.#counting = setInterval(tick, COUNT_EVERY_MS);
  }

  /** Shows the VM's state, and the power actions that it allows. */
  showState(state, doing = "") {
    const place = document.getElementById("state");
    const badges = document.getElementById("badges").content;
    const badge = badges.querySelector(`[data-state="${CSS.escape(state)}"]`) ?? badges.querySelector('[data-state="unknown"]');
    if (doing) {
      const busy = document.createElement("span");
      busy.className = "st busy bare";
      const spin = document.createElement("i");
      spin.className = "spin";
      busy.append(spin, word(`doing-${doing}`));
      place.replaceChildren(busy);
    } else if (place.dataset.shown !== state || place.querySelector(".busy")) {
      place.replaceChildren(...badge.cloneNode(true).childNodes);
    }
    place.dataset.shown = state;
    this.#tellEnding();
    const allowed = doing ? [] : (ACTIONS_IN[state] ?? []);
    for (const button of document.querySelectorAll("[data-power]")) button.hidden = !allowed.includes(button.dataset.power);
    for (const note of document.querySelectorAll("[data-power-none]")) note.hidden = Boolean(doing) || allowed.length > 0;
    const start = this.body.querySelector('[data-do="start"]');
    if (start) this.#startButton(start, doing);
  }

  /** The card's Start button: while something is done, what; then itself again. */
  #startButton(button, doing) {
    button.disabled = Boolean(doing);
    if (doing) {
      const spin = document.createElement("i");
      spin.className = "spin";
      button.replaceChildren(spin, word(`doing-${doing}`));
    } else if (button.querySelector(".spin")) {
      const fresh = document.querySelector(`template[data-message="${CSS.escape(this.card.dataset.message)}"]`);
      button.replaceWith(fresh.content.querySelector('[data-do="start"]').cloneNode(true));
    }
  }

  /** What may be pressed: keys only while the screen is there and may be controlled. */
  allowKeys(allowed) {
    for (const button of document.querySelectorAll("[data-press], [data-hold], [data-keys], [data-do=keyboard]")) {
      button.disabled = !allowed;
    }
    if (!allowed) for (const held of document.querySelectorAll("[data-hold]")) held.setAttribute("aria-pressed", "false");
  }

  /** A sentence at the foot of the screen, for a while. */
  tell(name, values = {}, detail = "") {
    const text = detail || (hasWord(name) ? word(name, { name: this.name, ...values }) : name);
    this.progress.textContent = text;
    this.progress.hidden = false;
    clearTimeout(this.#toast);
    this.#toast = setTimeout(() => {
      this.progress.hidden = true;
    }, Math.max(TOAST_MS, text.length * TOAST_MS_PER_CHARACTER));
  }
}

async function tellEnding(place) {
  try {
    const { words, since } = await endingOf(place.dataset.ending);
    if (!words) return;
    const time = document.createElement("time");
    time.dateTime = since;
    time.dataset.ago = "";
    time.textContent = word("just-now");
    const [before, after] = words.split("{ago}");
    place.replaceChildren(before, time, after);
    document.dispatchEvent(new CustomEvent("eve:part")); // the time is put into words, and kept true
  } catch {
    // The card says enough without it.
  }
}
