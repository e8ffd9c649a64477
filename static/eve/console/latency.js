// How far away Eve is: the time that a word on the live websocket takes there and back, shown in the bar as bars and milliseconds.

import { word } from "./words.js";

/** From here on typing lags; the doctor calls the line slow from here on, too. */
export const SLOW_MS = 250;
const EVERY_MS = 4000;
const KEPT = 5;
const LIMITS_MS = [60, 140, SLOW_MS];

/** How many of four bars stand for it, as a phone shows its signal. */
export function barsOf(ms) {
  return 4 - LIMITS_MS.filter((limit) => ms > limit).length;
}

/** The usual one of some times: a single late answer is no slow line. */
export function typicalOf(times) {
  return times.toSorted((one, other) => one - other)[Math.floor((times.length - 1) / 2)];
}

export class Latency {
  #times = [];
  #askedAt = null;

  /**
   * @param {() => boolean} ask  sends the word that Eve answers; whether it could
   * @param {Iterable<HTMLElement>} places  links to the doctor that show it
   */
  constructor({ ask, places }) {
    this.ask = ask;
    this.places = [...places];
    if (this.places.length) setInterval(() => this.look(), EVERY_MS);
  }

  /** Asks anew. What is not answered yet takes at least as long as it has been waited for. */
  look() {
    if (document.hidden) {
      this.#askedAt = null; // a browser lets a page that nobody sees wait
      return;
    }
    if (this.#askedAt !== null) this.#show(Math.max(performance.now() - this.#askedAt, typicalOf(this.#times) ?? 0));
    else if (this.ask()) this.#askedAt = performance.now();
  }

  /** Eve's answer came. */
  answered() {
    if (this.#askedAt === null) return;
    this.#times = [...this.#times, performance.now() - this.#askedAt].slice(-KEPT);
    this.#askedAt = null;
    this.#show(typicalOf(this.#times));
  }

  /** The websocket closed: nothing is known any more. */
  lost() {
    this.#times = [];
    this.#askedAt = null;
    for (const place of this.places) place.hidden = true;
  }

  #show(ms) {
    const values = { ms: Math.max(1, Math.round(ms)) };
    const kind = ms > SLOW_MS ? "slow" : "good";
    for (const place of this.places) {
      place.dataset.bars = barsOf(ms);
      place.querySelector("[data-latency-words]").textContent = word(`line-${kind}-${place.dataset.latency}`, values);
      place.ariaLabel = place.title = word(`line-${kind}-long`, values);
      place.hidden = false;
    }
  }
}
