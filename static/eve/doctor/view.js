// What the doctor's page shows: a row for each hop, what was found there, and which lines mend it.

import { word } from "../console/words.js";

const OUTCOMES = ["wait", "now", "ok", "warn", "bad"];

export class View {
  /** A row back to what it was: not tried. */
  reset() {
    for (const row of document.querySelectorAll("[data-hop]")) {
      this.row(row.dataset.hop, "wait");
      row.querySelector("[data-found]").replaceChildren();
      row.querySelector("[data-steps]")?.replaceChildren();
    }
    for (const line of document.querySelectorAll("[data-line].on")) this.#mark(line, false);
    this.way("eve-now");
  }

  /** How a hop is: its mark, what was measured, and how long it took. */
  row(hop, outcome, { detail = "", ms = null } = {}) {
    const row = this.#row(hop);
    row.dataset.outcome = outcome;
    for (const each of OUTCOMES) row.querySelector(`[data-mark="${each}"]`).hidden = each !== outcome;
    row.querySelector("[data-detail]").textContent = detail;
    row.querySelector("[data-ms]").textContent = ms === null ? "" : word("ms", { n: ms < 10 ? ms.toFixed(1) : Math.round(ms) });
  }

  /** Shows what was found at a hop. A finding: {what, meaning, remedy, lines}. */
  found(hop, findings) {
    const place = this.#row(hop).querySelector("[data-found]");
    for (const finding of findings) {
      const box = document.getElementById("finding").content.cloneNode(true);
      box.firstElementChild.dataset.code = finding.code;
      for (const part of ["what", "meaning", "remedy"]) box.querySelector(`[data-${part}]`).textContent = finding[part];
      box.querySelector("[data-to-lines]").hidden = !finding.lines.length;
      place.append(box);
      this.#markLines(finding.lines);
    }
  }

  /** The steps within a hop: [{title, outcome, milliseconds, detail}]. */
  steps(hop, steps) {
    const place = this.#row(hop).querySelector("[data-steps]");
    for (const step of steps.filter(({ outcome }) => outcome !== "skipped")) {
      const item = document.createElement("li");
      const time = word("ms", { n: step.milliseconds || "< 1" });
      item.textContent = [`${step.title}: ${word(`step-${step.outcome}`)}, ${time}`, step.detail].filter(Boolean).join(". ");
      place.append(item);
    }
  }

  /** The picture of the whole way. */
  way(name) {
    const drawn = document.querySelector(`template[data-way="${CSS.escape(name)}"]`);
    document.getElementById("way").replaceChildren(drawn.content.cloneNode(true));
  }

  /** The sentence above all. */
  say(name, values, tone) {
    const place = document.getElementById("verdict");
    place.textContent = word(name, values);
    place.dataset.tone = tone;
  }

  titleOf(hop) {
    return this.#row(hop).querySelector("[data-title]").textContent;
  }

  /** All of it as text, to be sent to somebody. */
  report() {
    const rows = [...document.querySelectorAll("[data-hop]")].map((row) => {
      const texts = [...row.querySelectorAll("[data-what], [data-meaning], [data-remedy], [data-steps] li")];
      const head = [this.titleOf(row.dataset.hop), word(`outcome-${row.dataset.outcome}`)].join(": ");
      const measured = ["detail", "ms"].map((part) => row.querySelector(`[data-${part}]`).textContent).filter(Boolean);
      return [[head, ...measured].join(" · "), ...texts.map((each) => `  ${each.textContent.trim()}`)].join("\n");
    });
    const { title } = document;
    return [title, `${location.origin}, ${new Date().toISOString()}`, document.getElementById("verdict").textContent, "", ...rows].join("\n");
  }

  #row(hop) {
    return document.querySelector(`[data-hop="${CSS.escape(hop)}"]`);
  }

  #markLines(beginnings) {
    for (const line of document.querySelectorAll("[data-line]")) {
      const text = line.textContent.trim();
      if (beginnings.some((beginning) => text.startsWith(beginning))) this.#mark(line, true);
    }
  }

  #mark(line, isOn) {
    line.classList.toggle("on", isOn);
  }
}
