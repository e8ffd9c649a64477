// The guest's clipboard: what was copied there, to be read and copied on, and text for it. What comes is the guest's: text, cut and cleared of what would act.

/** Of what a guest copied; more would only make the page slow. */
export const MAX_CHARACTERS = 262_144;
/** A guest that copies without end is shown so often. */
const SHOW_EVERY_MS = 1000;

/** What of a guest's text is shown and copied on: no control characters, which a terminal would obey. */
export function plain(text) {
  const start = text.slice(0, MAX_CHARACTERS).replace(/[\uD800-\uDBFF]$/, "");
  return start.replace(/\r\n?/g, "\n").replace(/(?![\t\n])\p{Cc}/gu, "");
}

export class Clipboard {
  #latest = "";
  #timer = 0;
  #shownAtMs = -SHOW_EVERY_MS;

  /**
   * @param {(text: string) => void} give puts a text into the guest's clipboard
   * @param {(name: string) => void} tell says a sentence
   */
  constructor({ give, tell }) {
    this.give = give;
    this.tell = tell;
    this.dialog = document.getElementById("clipboard");
    this.copied = document.getElementById("clipboard-copied");
    this.given = document.getElementById("clipboard-given");
    this.openers = document.querySelectorAll('[data-dialog="clipboard"]');
    this.dialog.querySelector("[data-copy-on]").addEventListener("click", () => this.#copyOn());
    this.dialog.querySelector("form").addEventListener("submit", () => this.#give());
    for (const opener of this.openers) opener.addEventListener("click", () => this.#mark(false));
  }

  /** The guest copied that; nothing, if it has nothing any more, or nobody here may know. */
  take(text) {
    this.#latest = text;
    if (!text) this.#empty();
    else this.#timer ||= setTimeout(() => this.#show(), Math.max(0, this.#shownAtMs + SHOW_EVERY_MS - performance.now()));
  }

  #empty() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#fill("");
    this.#mark(false);
  }

  #show() {
    this.#timer = 0;
    this.#shownAtMs = performance.now();
    const text = plain(this.#latest);
    const isCut = this.#latest.length > MAX_CHARACTERS;
    this.#latest = "";
    if (!text || text === this.copied.value) return;
    this.#fill(text, isCut);
    if (this.dialog.open) return;
    this.#mark(true);
    this.tell("guest-copied");
  }

  #fill(text, isCut = false) {
    this.copied.value = text;
    this.dialog.querySelector("[data-none]").hidden = Boolean(text);
    this.dialog.querySelector("[data-some]").hidden = !text;
    this.dialog.querySelector("[data-cut]").hidden = !isCut;
  }

  #mark(isNew) {
    for (const opener of this.openers) opener.toggleAttribute("data-news", isNew);
  }

  async #copyOn() {
    this.copied.select();
    try {
      await navigator.clipboard.writeText(this.copied.value);
    } catch {
      document.execCommand("copy"); // No clipboard without https: the old way still works.
    }
    this.dialog.close();
    this.tell("copied-on");
  }

  #give() {
    this.give(this.given.value);
    this.given.value = "";
    this.tell("given");
  }
}
