// The on-screen keyboard: a hidden field brings it up, and what appears in the field is typed in the guest.

import { difference, KEYS, keysFor } from "./keys.js";

/** Phones delete by words and offer corrections: they need something in the field to work on. */
const FILLER = "_".repeat(40);

export class Typing {
  #before = FILLER;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {HTMLButtonElement} button
   * @param {import("./screen.js").Screen} screen
   */
  constructor(field, button, screen) {
    this.field = field;
    this.button = button;
    this.screen = screen;
    this.#reset();
    // The keys beside it must not take the focus, or the on-screen keyboard would go away at each of them.
    button.closest(".vkeys").addEventListener("mousedown", (event) => {
      if (event.target.closest("button")) event.preventDefault();
    });
    field.addEventListener("focus", () => button.setAttribute("aria-pressed", "true"));
    field.addEventListener("blur", () => button.setAttribute("aria-pressed", "false"));
    field.addEventListener("input", () => this.#typed());
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

  #reset() {
    this.field.value = this.#before = FILLER;
    this.field.setSelectionRange(FILLER.length, FILLER.length);
  }

  #typed() {
    const { back, text } = difference(this.#before, this.field.value);
    for (let count = 0; count < back; count += 1) this.screen.press([KEYS.Backspace]);
    for (const character of text) this.screen.press(keysFor(character));
    this.#before = this.field.value;
    if (this.#before.length < 10 || this.#before.length > 400) this.#reset();
  }
}
