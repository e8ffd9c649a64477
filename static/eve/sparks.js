// Small curves on the cards of machines: how busy their processors were in the last hour, a point a minute.

import { curve } from "./curve.js";

const EVERY_MS = 60_000;
const AT_ONCE = 100; // vms/api/metrics.py
const shares = new Map(); // of each machine, as far as it was asked for

const cards = () => [...document.querySelectorAll("svg[data-spark]")];

function draw() {
  for (const card of cards()) {
    const { area, line } = curve(shares.get(card.dataset.spark) ?? []);
    card.firstElementChild.setAttribute("d", area);
    card.lastElementChild.setAttribute("d", line);
  }
}

async function fetchShares(ids) {
  const query = new URLSearchParams(ids.slice(0, AT_ONCE).map((id) => ["vm", id]));
  const response = await fetch(`/api/v1/vms/use?${query}`, { cache: "no-store" });
  if (!response.ok) return; // the curves stay as they are until the next minute
  for (const { vm, cpu } of (await response.json()).vms) shares.set(vm, cpu);
  draw();
}

function look(isDue) {
  draw();
  const ids = cards().map((card) => card.dataset.spark);
  const asked = isDue ? ids : ids.filter((id) => !shares.has(id));
  for (const id of asked) shares.set(id, shares.get(id) ?? []);
  if (asked.length && !document.hidden) fetchShares(asked).catch(() => {}); // offline: live.js says so
}

document.addEventListener("eve:part", () => look(false));
setInterval(() => look(true), EVERY_MS);
look(true);
