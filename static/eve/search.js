// The search of the top bar: "/" leads to it, what is found is shown below it while somebody types, and the arrow keys go through that.

import { announce } from "./eve.js";

const box = document.getElementById("find");
const field = box?.querySelector("input");
const found = document.getElementById("found");

function show() {
  found.hidden = !field.value.trim() || !found.firstElementChild;
}

function hide() {
  found.hidden = true;
}

/** To the box, from wherever one is; in a narrow window it has to be opened first. */
function go() {
  if (!field.checkVisibility()) box.showPopover();
  field.focus();
  field.select();
}

/** Up and down through what was found, round by the box. */
function step(by) {
  const places = [field, ...found.querySelectorAll("a")];
  const at = places.indexOf(document.activeElement);
  places[(at + by + places.length) % places.length].focus();
}

function boxKeys(event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by) {
    show();
    if (found.hidden) return;
    step(by);
  } else if (event.key === "Escape" && !found.hidden) {
    hide();
    field.focus();
  } else if (event.key === "Escape" && box.matches(":popover-open")) {
    box.hidePopover(); // by itself, the key would first empty the field
  } else return;
  event.preventDefault();
}

function pageKeys(event) {
  const isWriting = event.target.closest?.("input, textarea, select, [contenteditable], canvas, dialog");
  if (event.key !== "/" || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  go();
}

function leave({ target }) {
  if (!box.contains(target)) hide();
}

if (box) {
  box.addEventListener("keydown", boxKeys);
  box.addEventListener("toggle", ({ newState }) => newState === "open" && field.focus());
  field.addEventListener("focus", show);
  document.addEventListener("keydown", pageKeys);
  document.addEventListener("focusin", leave);
  document.addEventListener("pointerdown", leave);
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target !== found || document.activeElement !== field) return;
    show();
    if (!found.hidden) announce(found.firstElementChild.dataset.said);
  });
}
