// What fingers on a trackpad mean. It knows no page: fingers go in, and what the pointer does comes out.
//
// A tap's button stays down for a moment, as on a laptop: what follows is a second click, or a drag if the finger moves.

/** How far a finger wanders that means to stay where it is. */
const SLOP = 6;
/** Two fingers are never as still, and do not begin together. */
const TWO_SLOP = 12;
const HOLD_MS = 600;
const AGAIN_MS = 200;
const TWO_TAP_MS = 350;
const SLOWEST = 0.6;
const FASTEST = 2.5;
const PER_SPEED = 1.6;

/** How far the pointer moves for a finger's pixel, at so many pixels a millisecond: slow fingers meet small things, fast ones cross the screen. */
export const gain = (speed) => Math.min(FASTEST, SLOWEST + PER_SPEED * speed);

const apart = ([one, other]) => Math.hypot(one.x - other.x, one.y - other.y);
const middle = ([one, other]) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
const between = (from, to) => ({ x: to.x - from.x, y: to.y - from.y });

/**
 * @typedef {{x: number, y: number}} Finger  where it is, in pixels of the page
 *
 * @typedef {object} Pointer
 * @property {(x: number, y: number) => void} move    by so many pixels of the page
 * @property {(button: "left"|"right") => void} press
 * @property {() => void} release
 * @property {(x: number, y: number) => void} scroll  what is under it, by so many pixels
 * @property {(step: "start"|"move"|"end", distance: number) => void} pinch  fingers are so far apart
 */

export class Touches {
  /** none, resting, tapped, again (resting, after a tap), moving, dragging, two, scrolling, pinching, or over: what is left of a gesture. */
  #phase = "none";
  #timer = 0;
  #start = null;
  #last = null;
  #sinceMs = 0;

  /** @param {Pointer} pointer */
  constructor(pointer) {
    this.pointer = pointer;
  }

  /** Another finger came down: these are down now. */
  down(fingers, nowMs) {
    if (this.#phase === "dragging") return;
    const isTogether = ["resting", "again", "moving"].includes(this.#phase);
    if (fingers.length === 1) {
      this.#begin(this.#phase === "tapped" ? "again" : "resting", fingers[0], nowMs);
      this.#later(HOLD_MS, () => this.#held());
    } else {
      this.cancel();
      this.#begin(isTogether && fingers.length === 2 ? "two" : "over", fingers, nowMs);
    }
  }

  /** They are elsewhere. */
  move(fingers, nowMs) {
    if (fingers.length === 2) this.#moveTwo(fingers);
    else if (fingers.length === 1) this.#moveOne(fingers[0], nowMs);
  }

  /** One was lifted: these are down still. */
  up(fingers, nowMs) {
    const phase = this.#phase;
    if (phase === "dragging" && fingers.length) {
      [this.#last] = fingers;
      return;
    }
    if (phase === "resting") clearTimeout(this.#timer);
    else this.cancel();
    if (phase === "two" && nowMs - this.#sinceMs < TWO_TAP_MS) this.#click("right");
    this.#phase = fingers.length ? "over" : "none";
    if (phase === "resting" || phase === "again") this.#tap();
  }

  /** Whatever was under way is not any more. */
  cancel() {
    clearTimeout(this.#timer);
    if (this.#phase === "pinching") this.pointer.pinch("end", 0);
    if (["tapped", "again", "dragging"].includes(this.#phase)) this.pointer.release();
    this.#phase = "none";
  }

  #begin(phase, start, nowMs) {
    this.#phase = phase;
    this.#start = this.#last = start;
    this.#sinceMs = nowMs;
  }

  #later(ms, then) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }

  #tap() {
    this.pointer.press("left");
    this.#phase = "tapped";
    this.#later(AGAIN_MS, () => this.cancel());
  }

  #click(button) {
    this.pointer.press(button);
    this.pointer.release();
  }

  #held() {
    if (this.#phase === "again") {
      this.#phase = "dragging";
      return;
    }
    this.#click("right");
    this.#phase = "moving"; // on to what the menu offers
  }

  #moveOne(finger, nowMs) {
    const elapsedMs = Math.max(1, nowMs - this.#sinceMs);
    this.#sinceMs = nowMs;
    if (this.#phase === "resting" || this.#phase === "again") this.#leave(finger);
    if (this.#phase !== "moving" && this.#phase !== "dragging") return;
    const { x, y } = between(this.#last, finger);
    const factor = gain(Math.hypot(x, y) / elapsedMs);
    this.#last = finger;
    if (x || y) this.pointer.move(x * factor, y * factor);
  }

  /** A finger that rested moves, if it has gone further than one wanders. */
  #leave(finger) {
    const { x, y } = between(this.#start, finger);
    const way = Math.hypot(x, y);
    if (way < SLOP) return;
    clearTimeout(this.#timer);
    this.#phase = this.#phase === "again" ? "dragging" : "moving";
    this.#last = { x: this.#start.x + (x * SLOP) / way, y: this.#start.y + (y * SLOP) / way };
  }

  #moveTwo(fingers) {
    if (this.#phase === "two") this.#decide(fingers);
    if (this.#phase === "pinching") this.pointer.pinch("move", apart(fingers));
    if (this.#phase === "scrolling") {
      const { x, y } = between(middle(this.#last), middle(fingers));
      this.pointer.scroll(x, y);
    }
    this.#last = fingers;
  }

  /** Two fingers that go apart or together make the picture larger or smaller; two that go the same way scroll. */
  #decide(fingers) {
    const spread = Math.abs(apart(fingers) - apart(this.#start));
    const { x, y } = between(middle(this.#start), middle(fingers));
    if (Math.max(spread, Math.hypot(x, y)) < TWO_SLOP) return;
    this.#phase = spread > Math.hypot(x, y) ? "pinching" : "scrolling";
    if (this.#phase === "pinching") this.pointer.pinch("start", apart(fingers));
  }
}
