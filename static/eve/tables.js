// Tables that have more to say than the window has room for.

const narrow = matchMedia("(max-width: 720px)"); // as in css/tables.css

/** On a phone a row is a card, and says of each of its cells under which head it stands. */
function nameCells() {
  if (!narrow.matches) return;
  for (const row of document.querySelectorAll(".tbl:not(.matrix) tbody tr:not([data-named])")) {
    const heads = row.closest("table").tHead?.rows[0].cells ?? [];
    row.dataset.named = "";
    let column = 0;
    for (const cell of row.cells) {
      const head = heads[column];
      column += cell.colSpan;
      if (head && cell.colSpan === 1 && !head.querySelector(".sr, input")) cell.dataset.head = head.textContent.trim();
      cell.toggleAttribute("data-empty", !cell.textContent.trim() && !cell.querySelector("input, progress, svg"));
    }
  }
}

/** A table that is wider than its place is scrolled by the arrow keys too: then its place takes the focus. */
function reachWide() {
  for (const place of document.querySelectorAll(".scroll-x")) {
    const isWide = place.scrollWidth > place.clientWidth;
    if (isWide === place.hasAttribute("tabindex")) continue;
    if (isWide) place.tabIndex = 0;
    else place.removeAttribute("tabindex");
  }
}

export function fitTables() {
  nameCells();
  reachWide();
}
