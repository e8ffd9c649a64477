// Where the focus is in a part of the page, so that the part that comes in its place has it there too; and what became of a machine, for who listens.

const REACHABLE = "a[href], button:not(:disabled), summary";

/** Which of a part's links and buttons has the focus; null if none. */
export function placeIn(part) {
  const focused = document.activeElement;
  if (!part?.contains(focused)) return null;
  const at = [...part.querySelectorAll("a, button, summary")].indexOf(focused);
  return at < 0 ? null : at;
}

/** Gives the focus to the same link or button of what came in a part's place, or to the next that takes it. */
export function focusAt(part, place) {
  if (place === null || !part) return;
  const all = [...part.querySelectorAll("a, button, summary")];
  const takes = (each) => each.matches(REACHABLE) && each.checkVisibility();
  (all.slice(place).find(takes) ?? all.slice(0, place).reverse().find(takes))?.focus();
}

/** What to tell of a machine whose state is another one in what came in a part's place: “mail-01: Off”; empty if it is the same. */
export function changeOf(part, fresh) {
  const [before, now] = [part, fresh].map((each) => each.querySelector("[role=status]")?.textContent.trim());
  if (!before || !now || before === now) return "";
  const name = fresh.querySelector("h1, .vm-n")?.textContent.trim();
  return name ? `${name}: ${now}` : "";
}
