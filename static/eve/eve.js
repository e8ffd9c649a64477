// What every page can do: toasts, announcements, copying, ages that stay true, menus, the dialog that asks, shortcuts.

import { isAtHome, pointHome } from "./address.js";
import { changeOf, focusAt, placeIn } from "./focus.js";
import { filled } from "./names.js";
import { fitTables } from "./tables.js";

const ERROR_TOAST_MS = 0; // stays until closed
const TOAST_MS = 6000;
const AGES_EVERY_MS = 20_000;

/** The CSRF token, from the cookie: it stays right after signing in again in another tab. */
export function csrfToken() {
  const name = document.querySelector('meta[name="csrf-cookie"]')?.content;
  const pair = document.cookie.split("; ").find((each) => each.startsWith(`${name}=`));
  return pair ? decodeURIComponent(pair.slice(name.length + 1)) : "";
}

/** So long a form that was sent brings the next page by itself; the answer may sign this browser in anew, as that to a new password does. */
const LEAVING_MS = 10_000;
let sentAtMs = Number.NEGATIVE_INFINITY;
addEventListener("submit", ({ defaultPrevented }) => {
  if (!defaultPrevented) sentAtMs = performance.now();
});

/** Signed out, or what the page shows is gone: loaded anew, the page itself says so. Whoever has something to lose by that prevents it. */
export function accessEnded() {
  const leavesMs = sentAtMs + LEAVING_MS - performance.now();
  if (leavesMs > 0) setTimeout(accessEnded, leavesMs);
  else if (document.dispatchEvent(new CustomEvent("eve:access-ended", { cancelable: true }))) location.reload();
}

/** Tells screen readers, politely. */
export function announce(text) {
  const live = document.getElementById("announce");
  if (!live) return;
  live.textContent = "";
  requestAnimationFrame(() => {
    live.textContent = text;
  });
}

/**
 * Shows a toast. `kind` is "ok", "info", "warn" or "bad" (stays until closed); `id` replaces an earlier one;
 * `action` is {label, run}. Returns a function that closes it. Texts are set as text, never as HTML.
 */
export function toast(text, { kind = "info", id = "", action = null } = {}) {
  const place = document.getElementById("toasts");
  const template = document.getElementById("toast");
  if (!place || !template) return () => {};
  if (id) place.querySelector(`[data-id="${CSS.escape(id)}"]`)?.remove();
  const box = template.content.firstElementChild.cloneNode(true);
  box.classList.add(kind);
  box.dataset.id = id;
  box.setAttribute("role", kind === "bad" ? "alert" : "status");
  for (const mark of box.querySelectorAll("[data-mark]")) mark.hidden = mark.dataset.mark !== kind;
  box.querySelector("p").textContent = text;
  const close = () => box.remove();
  box.querySelector("[data-close]").addEventListener("click", close);
  if (action) {
    const button = box.querySelector("[data-act]");
    button.hidden = false;
    button.textContent = action.label;
    button.addEventListener("click", () => {
      close();
      action.run();
    });
  }
  place.append(box);
  const stays = kind === "bad" || kind === "warn" ? ERROR_TOAST_MS : TOAST_MS;
  if (stays) setTimeout(close, stays);
  return close;
}

/** Shows what a failed fetch answered (RFC 9457 problem details, or nothing readable) as a toast. */
export async function toastProblem(response) {
  const place = document.getElementById("toasts");
  let text = place?.dataset.failed ?? "";
  try {
    const problem = await response.json();
    text = problem.detail || problem.title || text;
  } catch {
    // No problem details: the sentence above has to do.
  }
  return toast(text, { kind: "bad" });
}

// ------------------------------------------------------------------------------------------------ Times

const STEPS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const EXACT = { year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "short" };
const relative = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "always" });

/** How long ago `moment` was, in words; null below a minute, where the server's own words stay right for long enough. */
export function age(moment, now = Date.now()) {
  const seconds = (moment - now) / 1000;
  const step = STEPS.find(([, length]) => Math.abs(seconds) >= length);
  return step ? relative.format(Math.trunc(seconds / step[1]), step[0]) : null;
}

/** Keeps ages true, and says exact times in the reader's own time zone. */
function refreshTimes() {
  for (const time of document.querySelectorAll("time:is([data-ago], [data-moment])")) {
    const moment = Date.parse(time.dateTime);
    if (Number.isNaN(moment)) continue;
    const words = time.dataset.ago === undefined ? null : age(moment);
    if (words && time.textContent !== words) time.textContent = words;
    if (time.dataset.local) continue;
    time.dataset.local = "yes";
    if (time.dataset.moment !== undefined) time.textContent = new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    time.title = new Date(moment).toLocaleString(undefined, EXACT);
  }
}

// ------------------------------------------------------------------------------------------------ Asking first

/**
 * Asks before something destructive: {title, text, details, verb, keep, type}. Resolves to whether to do it.
 * With `type`, that name has to be typed first; `details` is an element whose content is shown below the text.
 */
export function ask({ title, text, details = null, verb, keep, type = "" }) {
  const dialog = document.getElementById("confirm");
  const yes = dialog.querySelector("[data-yes]");
  const no = dialog.querySelector("[data-no]");
  const typed = dialog.querySelector("[data-typed]");
  const field = typed.querySelector("input");
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("#confirm-text").textContent = text;
  showDetails(dialog.querySelector("#confirm-details"), details);
  yes.textContent = verb;
  if (keep) no.textContent = keep;
  typed.hidden = !type;
  typed.querySelector("[data-name]").textContent = type;
  field.value = "";
  const check = () => {
    yes.disabled = Boolean(type) && field.value !== type;
  };
  check();
  field.addEventListener("input", check);
  dialog.returnValue = "";
  const opener = document.activeElement;
  const part = opener.closest("[data-part]"); // another may have come in its place when the dialog closes
  const focused = placeIn(part);
  dialog.showModal();
  (type ? field : no).focus();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        field.removeEventListener("input", check);
        if (!opener.isConnected && part) focusAt(document.getElementById(part.id), focused);
        resolve(dialog.returnValue === "yes");
      },
      { once: true },
    );
  });
}

/** A copy, which is no part of the page that is brought up to date. */
function showDetails(place, details) {
  place.replaceChildren(...(details?.cloneNode(true).children ?? []));
  for (const part of place.querySelectorAll("[data-live]")) {
    part.removeAttribute("id");
    part.removeAttribute("data-live");
  }
}

const confirmed = new WeakSet();

/** The server checks what was typed as well: it is sent as `field`. */
function sendTyped(form, field, text) {
  const input = document.createElement("input");
  input.type = "hidden";
  input.name = field;
  input.value = text;
  form.append(input);
}

// In the capture phase, so that htmx sees the submission only once it was confirmed.
document.addEventListener(
  "submit",
  async (event) => {
    const { submitter, target: form } = event;
    const asks = submitter?.dataset.confirmTitle ? submitter : form.dataset.confirmTitle ? form : null;
    if (!asks) return;
    if (confirmed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const { confirmTitle, confirmText, confirmVerb, confirmKeep, confirmType } = asks.dataset;
    const named = (words) => words && filled(words, { name: form.dataset.confirmName });
    const yes = await ask({
      title: named(confirmTitle),
      text: confirmText ?? "",
      details: asks.querySelector("[data-confirm-details]"),
      verb: named(confirmVerb) ?? submitter?.textContent.trim() ?? "",
      keep: confirmKeep,
      type: confirmType,
    });
    if (!yes) return;
    if (asks.dataset.confirmField) sendTyped(form, asks.dataset.confirmField, confirmType);
    if (!form.isConnected) {
      // Its part of the page was brought up to date meanwhile; a form that is in no page cannot be sent.
      form.hidden = true;
      document.body.append(form);
    }
    confirmed.add(form);
    form.requestSubmit(submitter ?? undefined);
  },
  { capture: true },
);

// A second click while the first is under way changes nothing; coming back to the page makes the button usable again.
document.addEventListener("submit", (event) => {
  const { submitter, target: form } = event;
  if (event.defaultPrevented || form.method === "dialog" || !submitter) return;
  setTimeout(() => {
    submitter.disabled = true;
    submitter.dataset.busy = "yes";
  });
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[data-busy]")) {
    button.disabled = false;
    delete button.dataset.busy;
  }
});

// ------------------------------------------------------------------------------------------------ Clicks and keys

function switchTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const next = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
  document.documentElement.dataset.bsTheme = next;
  try {
    if (next === system) localStorage.removeItem("eve-theme");
    else localStorage.setItem("eve-theme", next);
  } catch {
    // Storage may be forbidden; the choice then holds for this page.
  }
}

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard without https: the old way still works.
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "sr";
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  toast(button.dataset.copied || text, { kind: "ok", id: "copied" });
}

/** Closes the menus that somebody clicked beside, or chose from: the focus is then where the menu was opened, for a dialog to give it back to. */
function closeMenus(clicked) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    const inside = menu.contains(clicked);
    if (inside && !clicked.closest(".menu-it")) continue;
    if (inside && menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
  }
}

document.addEventListener("click", (event) => {
  closeMenus(event.target);
  const target = event.target.closest("[data-copy], [data-theme-switch], [data-dialog], [data-close-dialog]");
  if (target?.dataset.copy !== undefined) copy(target);
  else if (target?.dataset.themeSwitch !== undefined) switchTheme();
  else if (target?.dataset.dialog) document.getElementById(target.dataset.dialog)?.showModal();
  else if (target?.dataset.closeDialog !== undefined) target.closest("dialog")?.close();
});

function menuKeys(event) {
  const menu = event.target.closest?.("details.menu");
  if (!menu) return false;
  if (event.key === "Escape" && menu.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
    return true;
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return false;
  menu.open = true;
  const items = [...menu.querySelectorAll(".menu-pop :is(a, button):not(:disabled)")];
  if (!items.length) return false;
  const step = event.key === "ArrowDown" ? 1 : -1;
  const at = items.indexOf(document.activeElement);
  items[(at + step + items.length) % items.length]?.focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (menuKeys(event)) event.preventDefault();
});

// ------------------------------------------------------------------------------------------------ htmx

document.addEventListener("htmx:config:request", (event) => {
  const request = event.detail.ctx?.request;
  if (request?.headers && !/^(GET|HEAD)$/i.test(request.method ?? "GET")) request.headers["X-CSRFToken"] = csrfToken();
});
const replaced = new Map(); // parts that htmx replaces, by their ids: where the focus was, and what there was to tell
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  const part = ctx.target;
  if (part?.id) replaced.set(part.id, { part, focused: placeIn(part) });
});
document.addEventListener("htmx:after:swap", () => {
  for (const [id, { part, focused }] of replaced) {
    const fresh = document.getElementById(id);
    if (!fresh || fresh === part) continue;
    const change = changeOf(part, fresh);
    focusAt(fresh, focused);
    if (change) announce(change);
  }
  replaced.clear();
  refreshTimes();
  fitTables();
});
document.addEventListener("eve:part", refreshTimes);
/** Whether somebody asked for it: what asks again by itself says nothing. */
function isByHand({ sourceEvent }) {
  return sourceEvent?.type === "submit" || sourceEvent?.type === "click";
}

// A whole page, or a problem, is no part of this one.
document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  const { raw, status } = ctx.response;
  const isPart = raw.headers.get("Content-Type")?.startsWith("text/html") && !/^\s*<!doctype/i.test(ctx.text);
  if (isPart || raw.ok && !raw.redirected) return;
  event.preventDefault();
  if (raw.redirected || status === 404) {
    accessEnded();
    return;
  }
  if (!isByHand(ctx)) return;
  const { dataset } = document.getElementById("toasts");
  toast(dataset[`answer${status}`] ?? (status >= 500 ? dataset.fault : dataset.failed), { kind: "bad", id: "answer" });
});
document.addEventListener("htmx:error", (event) => {
  if (!isByHand(event.detail.ctx ?? {})) return;
  const place = document.getElementById("toasts");
  toast(place?.dataset.unreachable ?? "", { kind: "bad", id: "unreachable" });
});

// Other scripts may ask for a toast without importing this module.
document.addEventListener("eve:toast", (event) => toast(event.detail.text, event.detail));

const elsewhere = document.getElementById("elsewhere");
if (elsewhere && !isAtHome) {
  elsewhere.hidden = false;
  pointHome(elsewhere);
}

// On a narrow screen the tab or page that is open may lie outside of what is seen of their row.
for (const open of document.querySelectorAll(":is(.tabs-x, .snav) [aria-current]")) open.scrollIntoView({ block: "nearest", inline: "center" });

// What a form that came back has wrong may lie outside of what is seen too.
const wrong = document.querySelector("main [aria-invalid=true]");
for (const folded of document.querySelectorAll("main details:has([aria-invalid=true])")) folded.open = true;
if (!wrong) document.querySelector("main form .note.bad[role=alert]:not([hidden])")?.scrollIntoView({ block: "center" });
else if (!document.querySelector("main [autofocus]")) wrong.focus();

new ResizeObserver(fitTables).observe(document.body);
refreshTimes();
setInterval(refreshTimes, AGES_EVERY_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refreshTimes();
});
