// “Type text”: the host types it (virDomainSendKey), or this page presses the keys itself; either way paced, shown and stoppable.

import { cancelTyping, keyboardOf, Refused, typeText, typingOf } from "./api.js";
import { remember, remembered } from "./memory.js";
import { word } from "./words.js";

const ASK_EVERY_MS = 400;
const KEY_MS = 40;

export class Dictation {
  #stopped = false;
  #isBusy = false;

  /**
   * @param {string} url where the host's typing is begun, asked for and stopped
   * @param {string} keyboards where keyboards are
   * @param {import("./screen.js").Screen} screen
   * @param {(name: string, values?: object, detail?: string) => void} tell says a sentence
   */
  constructor({ url, keyboards, screen, tell }) {
    this.url = url;
    this.keyboards = keyboards;
    this.screen = screen;
    this.tell = tell;
    this.dialog = document.getElementById("type-text");
    this.text = document.getElementById("type-words");
    this.layout = document.getElementById("type-layout");
    this.error = document.getElementById("type-error");
    this.bar = document.getElementById("typing-bar");
    this.layout.value = remembered("layout") ?? this.layout.value;
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#begin();
    });
    this.bar.querySelector("[data-stop]").addEventListener("click", () => {
      this.#stopped = true;
    });
  }

  get #way() {
    return this.dialog.querySelector("input[name=way]:checked").value;
  }

  /** Keys go nowhere any more: what this page types itself ends. */
  lost() {
    if (this.#isBusy && this.#way === "screen") this.#stopped = true;
  }

  async #begin() {
    if (this.#isBusy || !this.text.value) return;
    this.#isBusy = true;
    this.#stopped = false;
    this.error.hidden = true;
    const begin = this.dialog.querySelector("[data-begin]");
    begin.disabled = true;
    const layout = this.layout.value;
    remember("layout", layout);
    try {
      if (this.#way === "host") await this.#byHost(this.text.value, layout);
      else await this.#byScreen(this.text.value, layout);
    } catch (error) {
      this.#fail(error instanceof Refused ? error.problem.detail || word("failed-typing") : word("unreachable"));
    } finally {
      this.#isBusy = false;
      begin.disabled = false;
      this.bar.hidden = true;
    }
  }

  async #byHost(text, layout) {
    let status = await typeText(this.url, { text, layout });
    this.#started(status.total);
    while (status.state === "running") {
      this.#show(status.typed, status.total);
      await pause(ASK_EVERY_MS);
      status = this.#stopped ? await cancelTyping(this.url) : await typingOf(this.url);
    }
    this.#ended(status.state, status.typed, status.total, status.problem);
  }

  async #byScreen(text, layout) {
    const { keys } = await keyboardOf(this.keyboards, layout);
    const characters = [...text.normalize("NFC").replace(/\r\n?/g, "\n")];
    const lacking = [...new Set(characters.filter((character) => !keys[character]))];
    if (lacking.length) {
      this.#fail(word("characters-missing", { characters: lacking.slice(0, 10).join(" ") }));
      return;
    }
    this.#started(characters.length);
    let typed = 0;
    for (const character of characters) {
      if (this.#stopped) break;
      for (const chord of keys[character]) await this.#press(chord);
      typed += 1;
      this.#show(typed, characters.length);
    }
    this.#ended(this.#stopped ? "cancelled" : "done", typed, characters.length, "");
  }

  /** Half the time down, half the time up. QEMU goes by the code alone. */
  async #press(chord) {
    for (const code of chord) this.screen.key(0, code, true);
    await pause(KEY_MS / 2);
    for (const code of [...chord].reverse()) this.screen.key(0, code, false);
    await pause(KEY_MS / 2);
  }

  #started(total) {
    this.dialog.close();
    this.bar.hidden = false;
    this.#show(0, total);
    this.screen.focus();
  }

  #show(typed, total) {
    this.bar.querySelector("progress").value = typed / total;
    this.bar.querySelector("[data-how-far]").textContent = word("typing", { typed, total });
  }

  #ended(state, typed, total, problem) {
    if (state === "done") {
      this.text.value = "";
      this.tell("typed", { total });
    } else if (state === "cancelled") {
      this.tell("typing-stopped", { typed, total });
    } else {
      this.tell("typing-failed", { typed, total }, problem ? `${word("typing-failed", { typed, total })} ${problem}` : "");
    }
  }

  /** Said in the dialog while that is open, else at the foot of the screen. */
  #fail(text) {
    if (this.dialog.open) {
      this.error.textContent = text;
      this.error.hidden = false;
      this.text.focus();
    } else {
      this.tell("failed-typing", {}, text);
    }
  }
}

function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
