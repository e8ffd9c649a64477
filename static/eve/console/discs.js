// The CD drive in the bar: what is in it, what may be put into it. Asked for anew each time the menu opens.

import { changeDisc, driveOf, Refused } from "./api.js";
import { carryOut } from "./operation.js";
import { word } from "./words.js";

export class Discs {
  #turn = 0;
  #isBusy = false;

  /**
   * @param {string} url where the drive is
   * @param {(name: string, values?: object, detail?: string) => void} tell says a sentence
   */
  constructor({ url, tell }) {
    this.url = url;
    this.tell = tell;
    this.menu = document.getElementById("disc-menu");
    this.list = document.getElementById("discs");
    this.note = this.menu.querySelector("[data-note]");
    this.eject = this.menu.querySelector("[data-eject]");
    this.template = document.getElementById("disc");
    this.menu.addEventListener("toggle", () => this.menu.open && this.#refresh());
    this.menu.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.#change(button.dataset.disc ?? null, button.dataset.name);
    });
  }

  async #refresh() {
    this.#turn += 1;
    const turn = this.#turn;
    this.#show({ image: null, choices: [] }, word("drive-asked"));
    try {
      const drive = await driveOf(this.url);
      const words = drive.choices.length ? "" : word("no-discs");
      if (turn === this.#turn) this.#show(drive, this.#isBusy ? word("disc-changing") : words);
    } catch (error) {
      const words = (error instanceof Refused && error.problem.detail) || word("drive-failed");
      if (turn === this.#turn) this.#show({ image: null, choices: [] }, words);
    }
  }

  #show({ image, choices }, note) {
    const inside = image && !choices.some((disc) => disc.id === image.id) ? [image] : [];
    this.list.replaceChildren(...[...inside, ...choices].map((disc) => this.#item(disc, disc.id === image?.id)));
    this.eject.hidden = !image;
    this.eject.disabled = this.#isBusy;
    this.note.textContent = note;
    this.note.hidden = !note;
  }

  #item({ id, name }, isInside) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    item.dataset.disc = id;
    item.dataset.name = name;
    item.querySelector("[data-text]").textContent = name;
    item.setAttribute("aria-pressed", String(isInside));
    item.disabled = this.#isBusy || isInside;
    return item;
  }

  async #change(disc, name) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.menu.querySelector("summary").focus();
    this.tell("disc-changing");
    const { ok, detail, isUnknown } = await carryOut(() => changeDisc(this.url, disc));
    this.#isBusy = false;
    if (ok) this.tell(disc ? "disc-in" : "disc-out", { disc: name });
    else this.tell(isUnknown ? "disc-unknown" : "disc-failed", {}, detail);
    if (this.menu.open) this.#refresh();
  }
}
