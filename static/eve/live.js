// Keeps a page true: hears on the websocket what changed, and fetches anew the parts of the page that show it.
//
// A part names what it shows by data-live ("vm ID", "vms", "screenshots ID", "viewers ID", "viewers", "operations", "hosts", "drift", "notifications", "events" or "events ID", the first word of
// audited actions such as "image", "list": a list of machines, several apart by spaces) and where it comes from by data-part: an address that answers with the part, or a page that has it. Nothing but ids and states travels on the websocket; what is shown is always asked for by the page.

import { isAtHome } from "./address.js";
import { accessEnded, announce, toast } from "./eve.js";
import { changeOf, focusAt, placeIn } from "./focus.js";
import { fitTables } from "./tables.js";

const LIVE_URL = "/ws/live";
const RETRY_MS = [1000, 2000, 4000, 8000, 10_000];
const GATHER_MS = 120; // changes that come together are fetched together
const AGAIN_MS = 5000; // Eve did not answer: every open page asks
const CATCH_UP_MS = 60_000; // a message may have been dropped
const ACCESS_ENDED = 4001; // eve_agent/wire/close.py
const TOO_MANY = 4012;
const LIST_MS = 2000;
const SCREEN_MS = 10_000;
const FETCHES = 4;

const config = document.getElementById("live");

// ------------------------------------------------------------------------------------------------ Parts

const wanted = new Set();
const fetching = new Set();
let gathering = 0;
let listTimer = 0;
let listAt = 0;

/** The parts that show something of `keys`. */
function parts(keys) {
  return [...document.querySelectorAll("[data-live]")].filter((part) => shownBy(part).some((key) => keys.includes(key)));
}

/** What a part names: words, each with an id or without. */
function shownBy(part) {
  return part.dataset.live.match(/[a-z_]+( [0-9a-f-]{36})?/g) ?? [];
}

function refresh(elements) {
  const all = [...elements];
  for (const element of all) {
    const isWithin = all.some((other) => other !== element && other.contains(element)); // then it comes with that one
    if (!isWithin) wanted.add(element.id);
  }
  gathering ||= setTimeout(fetchWanted, GATHER_MS);
}

/** Lists, one after the other at most every few seconds: a machine came that they do not show, or one is gone. */
function refreshLists() {
  listTimer ||= setTimeout(
    () => {
      listTimer = 0;
      listAt = Date.now();
      refresh(parts(["list"]));
    },
    Math.max(0, listAt + LIST_MS - Date.now()),
  );
}

function fetchWanted() {
  gathering = 0;
  for (const id of wanted) {
    if (fetching.size >= FETCHES) return;
    if (fetching.has(id)) continue;
    const element = document.getElementById(id);
    if (element && isInUse(element)) continue; // a menu is open in it, a button is held down, or somebody writes: later
    wanted.delete(id);
    if (element?.dataset.part) fetchPart(element);
  }
  if (wanted.size) gathering ||= setTimeout(fetchWanted, 1000);
}

function isInUse(element) {
  const writes = document.activeElement?.matches("input, textarea, select") && element.contains(document.activeElement);
  return writes || element.matches(":active") || element.querySelector("details[open], [data-busy]") !== null || isFilledIn(element);
}

/** Whether somebody has begun to fill in a form of it, and not sent it. */
function isFilledIn(element) {
  const fields = element.querySelectorAll("form:not([data-sent]) :is(input:not([data-keep]), textarea, select)");
  return [...fields].some(isChanged);
}

function isChanged(field) {
  if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
  if (!field.matches("select")) return field.value !== field.defaultValue;
  const options = [...field.options];
  const isGiven = options.some((option) => option.defaultSelected);
  return isGiven ? options.some((option) => option.selected !== option.defaultSelected) : field.selectedIndex > 0;
}

document.addEventListener("submit", ({ target, defaultPrevented }) => target.toggleAttribute("data-sent", !defaultPrevented));
document.addEventListener("input", ({ target }) => target.form?.removeAttribute("data-sent"));

async function fetchPart(element) {
  const { id } = element;
  fetching.add(id);
  try {
    const response = await fetch(element.dataset.part, { headers: { "X-Eve-Part": "1" }, redirect: "manual", cache: "no-store" });
    if (response.type === "opaqueredirect") accessEnded();
    else if (response.status === 404) gone(element);
    else if (response.ok) swap(document.getElementById(id), await response.text());
  } catch {
    if (config.hasAttribute("data-open")) setTimeout(() => refresh(document.querySelectorAll(`#${CSS.escape(id)}`)), AGAIN_MS); // else once the connection is back
  } finally {
    fetching.delete(id);
    if (wanted.size) gathering ||= setTimeout(fetchWanted, GATHER_MS);
  }
}

/** What a part showed does not exist any more: it leaves the list; a page about nothing else says so itself. */
function gone(element) {
  if (!element.matches("article, tr")) {
    location.reload();
    return;
  }
  element.remove();
  refreshLists();
}

function swap(element, html) {
  if (!element || isInUse(element)) {
    if (element) wanted.add(element.id);
    return;
  }
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.getElementById(element.id); // of a part, or of the whole page
  if (!fresh) return;
  const focused = placeIn(element);
  const change = changeOf(element, fresh);
  keepScreens(element, fresh);
  keepChosen(element, fresh);
  element.replaceWith(fresh);
  window.htmx?.process(fresh);
  document.dispatchEvent(new CustomEvent("eve:part"));
  fitTables();
  focusAt(fresh, focused);
  if (change) announce(change);
}

/** A box that is ticked stays ticked. */
function keepChosen(element, fresh) {
  for (const box of element.querySelectorAll("input[data-keep]:checked")) {
    const next = fresh.querySelector(`input[data-keep][name="${CSS.escape(box.name)}"][value="${CSS.escape(box.value)}"]`);
    if (next) next.checked = true;
  }
}

/** A picture that is there stays until the next one has come, instead of flashing. */
function keepScreens(element, fresh) {
  for (const image of fresh.querySelectorAll("img[data-screen]")) {
    const before = element.querySelector(`img[data-screen="${CSS.escape(image.dataset.screen)}"]`);
    if (before?.complete && before.naturalWidth) image.replaceWith(before);
  }
}

// ------------------------------------------------------------------------------------------------ Screens

function renewScreens() {
  if (document.hidden) return;
  for (const image of document.querySelectorAll("img[data-screen]")) {
    const box = image.getBoundingClientRect();
    if (box.bottom < 0 || box.top > innerHeight) continue;
    const next = new Image();
    next.addEventListener("load", () => {
      image.src = next.src;
      noPicture(image, false);
    });
    next.src = `${image.dataset.screen}?at=${Date.now()}`;
  }
}

function noPicture(image, isMissing) {
  image.hidden = isMissing;
  const caption = image.parentElement?.querySelector("[data-screen-none]");
  if (caption) caption.hidden = !isMissing;
}

document.addEventListener(
  "error",
  (event) => {
    if (event.target.matches?.("img[data-screen]")) noPicture(event.target, true);
  },
  { capture: true },
);
for (const image of document.querySelectorAll("img[data-screen]")) {
  if (image.complete && !image.naturalWidth) noPicture(image, true); // it failed before this script was there
}

// ------------------------------------------------------------------------------------------------ The websocket

let socket = null;
let attempt = 0;
let lostAt = null;
let retryTimer = 0;
let countTimer = 0;
let closeToast = () => {};

const heard = {
  vm: ({ id }) => {
    if (!parts([`vm ${id}`]).length) refreshLists();
    refresh(parts([`vm ${id}`, `screenshots ${id}`, "vms"]));
  },
  operation: ({ target }) => refresh(parts([`vm ${target}`, "operations"])),
  screenshots: ({ id }) => refresh(parts([`screenshots ${id}`])),
  viewers: ({ id }) => refresh(parts([`viewers ${id}`, "viewers"])),
  host: () => refresh(parts(["hosts"])),
  drift: () => refresh(parts(["drift"])),
  event: ({ what, target }) => refresh(parts(["events", `events ${target}`, what, `${what} ${target}`])),
  image: ({ id }) => refresh(parts(["image", `image ${id}`])),
  notification: () => refresh(parts(["notifications"])),
  access: () => refresh(document.querySelectorAll("[data-live]")),
  missed: () => refresh(document.querySelectorAll("[data-live]:not(article, tr)")), // it changed before this page began to listen
  samples: (detail) => document.dispatchEvent(new CustomEvent("eve:samples", { detail })),
};

function connect() {
  clearTimeout(retryTimer);
  clearInterval(countTimer);
  const url = new URL(LIVE_URL, location.origin);
  const { samples } = document.getElementById("graphs")?.dataset ?? {};
  if (samples) url.searchParams.set("samples", samples);
  if (lostAt === null) url.searchParams.set("since", config.dataset.madeAt); // after a break all of it is fetched
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(url);
  socket.addEventListener("open", () => {
    attempt = 0;
    closeToast();
    config.toggleAttribute("data-open", true);
    if (lostAt === null) return;
    lostAt = null;
    toast(config.dataset.back, { kind: "ok", id: "live" });
    refresh(document.querySelectorAll("[data-live]"));
    renewScreens();
    document.dispatchEvent(new CustomEvent("eve:live-again"));
  });
  socket.addEventListener("message", ({ data }) => {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    heard[message?.type]?.(message);
  });
  socket.addEventListener("close", ({ code }) => {
    config.removeAttribute("data-open");
    if (code === ACCESS_ENDED) accessEnded();
    else if (code === TOO_MANY) waitForRoom();
    else retryLater();
  });
}

/** Too many pages of this person's are open: this one goes on by what it fetches each minute. */
function waitForRoom() {
  if (!toldOfMany) toast(config.dataset.many, { kind: "warn" });
  toldOfMany = true;
  retryTimer = setTimeout(connect, CATCH_UP_MS);
}
let toldOfMany = false;

function retryLater() {
  lostAt ??= new Date();
  const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2);
  attempt += 1;
  retryTimer = setTimeout(connect, wait);
  if (attempt < 2) return; // a short break is nobody's concern
  const at = Date.now() + wait;
  const tell = () => {
    const since = lostAt.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
    const seconds = Math.max(0, Math.ceil((at - Date.now()) / 1000));
    const text = config.dataset.lost.replace("{since}", since).replace("{seconds}", seconds);
    closeToast = quietToast(text);
  };
  tell();
  countTimer = setInterval(tell, 1000);
}

/** One toast that is rewritten while it counts down, so that screen readers hear of it once. */
function quietToast(text) {
  const shown = document.querySelector('#toasts [data-id="live"] p');
  if (shown && lostToastIsShown) {
    shown.textContent = text;
    return closeToast;
  }
  lostToastIsShown = true;
  const close = toast(text, { kind: "warn", id: "live", action: { label: config.dataset.now, run: connectNow } });
  return () => {
    lostToastIsShown = false;
    close();
  };
}
let lostToastIsShown = false;

function connectNow() {
  attempt = 0;
  connect();
}

if (config) {
  if (isAtHome) connect(); // elsewhere the page says why it is not live
  setInterval(() => {
    if (!document.hidden) refresh(document.querySelectorAll("[data-live]"));
  }, CATCH_UP_MS);
  setInterval(renewScreens, SCREEN_MS);
  addEventListener("online", () => {
    if (isAtHome && socket?.readyState !== WebSocket.OPEN && socket?.readyState !== WebSocket.CONNECTING) connectNow();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    refresh(document.querySelectorAll("[data-live]"));
    renewScreens();
  });
  addEventListener("pagehide", () => socket?.close());
}
