// Who is watching: the list in the bar, and what may be done with each; the page's own session learns here that it got or lost the keyboard.

import { endSession, handOver, Refused, setMode, viewersOf } from "./api.js";
import { age } from "../eve.js";
import { isolated } from "../names.js";
import { word } from "./words.js";

export class Viewers {
  #known = null;
  #isAsking = false;
  #isDue = false;

  /**
   * @param {string} url where they are listed
   * @param {string} sessions the address that a session's id is put behind
   * @param {() => string|null} own the id of this page's session, while it shows the screen
   * @param {(mode: string) => void} toldMode gets this page's mode as Eve has it
   * @param {(name: string, values?: object, detail?: string) => void} tell says a sentence
   */
  constructor({ url, sessions, own, toldMode, tell }) {
    this.url = url;
    this.sessions = sessions;
    this.own = own;
    this.toldMode = toldMode;
    this.tell = tell;
    this.menu = document.getElementById("viewers-menu");
    this.list = document.getElementById("viewers");
    this.template = document.getElementById("viewer");
    this.list.addEventListener("click", (event) => this.#click(event.target.closest("button")));
    this.menu.addEventListener("toggle", () => this.menu.open && this.refresh());
  }

  /** Asks anew. While it asks, once more is enough. */
  async refresh() {
    this.#isDue = true;
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      while (this.#isDue) {
        this.#isDue = false;
        this.#take(await viewersOf(this.url));
      }
    } catch {
      // The console itself tells what is wrong; the list stays as it was.
    } finally {
      this.#isAsking = false;
    }
  }

  #take(viewers) {
    const own = this.own();
    const mine = viewers.find((viewer) => viewer.session === own);
    if (mine) this.toldMode(mine.mode);
    this.#greet(viewers, own);
    document.querySelector("[data-viewer-count]").textContent = String(viewers.length);
    this.menu.querySelector("summary").setAttribute("aria-label", word("viewers", { count: viewers.length }));
    this.list.replaceChildren(...viewers.map((viewer) => this.#item(viewer, viewer.session === own)));
    this.menu.querySelector("[data-nobody]").hidden = viewers.length > 0;
  }

  /** Says who came or left since the last time; this page's own coming is no news. */
  #greet(viewers, own) {
    const now = new Map(viewers.filter((viewer) => !viewer.is_own).map((viewer) => [viewer.session, viewer.name]));
    if (this.#known && own) {
      const came = [...now].filter(([session]) => !this.#known.has(session)).map(([, name]) => name);
      const left = [...this.#known].filter(([session]) => !now.has(session)).map(([, name]) => name);
      const both = came.filter((name) => left.includes(name)); // a network that broke for a moment
      const news = (names, said) => names.filter((name) => !both.includes(name)).forEach((who) => this.tell(said, { who }));
      news(left, "viewer-left");
      news(came, "viewer-came");
    }
    this.#known = now;
  }

  #item(viewer, isHere) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    item.dataset.session = viewer.session;
    item.querySelector("[data-name]").textContent = viewer.name;
    item.querySelector("[data-you]").hidden = !isHere;
    item.querySelector("[data-guest]").hidden = !viewer.is_guest;
    const details = [word(`mode-${viewer.mode}`)];
    if (viewer.kind === "serial") details.push(word("kind-serial"));
    const since = age(Date.parse(viewer.since));
    if (since) details.push(since);
    item.querySelector("[data-details]").textContent = details.join(" · ");
    const may = { give: viewer.may_get_control && !isHere, take: viewer.may_lose_control, end: viewer.may_end && !isHere };
    for (const button of item.querySelectorAll("button")) {
      button.hidden = !may[button.dataset.viewer];
      button.setAttribute("aria-label", `${button.textContent.trim()}: ${isolated(viewer.name)}`);
    }
    return item;
  }

  async #click(button) {
    if (!button) return;
    const { session } = button.closest("[data-session]").dataset;
    button.disabled = true;
    try {
      if (button.dataset.viewer === "give") await handOver(this.sessions, session);
      else if (button.dataset.viewer === "take") await setMode(this.sessions, session, "view");
      else await endSession(this.sessions, session);
    } catch (error) {
      this.tell("viewers-failed", {}, error instanceof Refused ? error.problem.detail : "");
    }
    this.refresh();
  }
}
