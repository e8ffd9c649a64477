// The on-screen keyboard: a hidden field brings it up, and what appears in the field is typed in the guest.

import { showKeyboard } from "./buttons.js";
import { difference, KEYS, keysFor } from "./keys.js";

/** Phones delete by words and offer corrections: they need something in the field to work on. */
const FILLER = "_".repeat(40);

export class Typing {
  #before = FILLER;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {import("./screen.js").Screen} screen
   * @param {() => void} typed is called when something was typed
   */
  constructor({ field, screen, typed }) {
    Object.assign(this, { field, screen, typed });
    this.#reset();
    field.addEventListener("focus", () => this.#isUp(true));
    field.addEventListener("blur", () => this.#isUp(false));
    field.addEventListener("input", () => this.#type());
  }

  /** Brings the keyboard up, or puts it away. */
  toggle() {
    if (document.activeElement === this.field) {
      this.field.blur();
      return;
    }
    this.#reset();
    this.field.focus({ preventScroll: true });
  }

  #isUp(isUp) {
    showKeyboard(isUp);
    this.screen.takesFocus = !isUp; // a tap on the screen is a click then, and the keyboard stays
  }

  #reset() {
    this.field.value = this.#before = FILLER;
    this.field.setSelectionRange(FILLER.length, FILLER.length);
  }

  #type() {
    const { back, text } = difference(this.#before, this.field.value);
    for (let count = 0; count < back; count += 1) this.screen.pressKeys([KEYS.Backspace]);
    for (const character of text) this.screen.pressKeys(keysFor(character));
    this.typed();
    this.#before = this.field.value;
    if (this.#before.length < 10 || this.#before.length > 400) this.#reset();
  }
}
