// Graphs of processor, memory, disks and network: by uPlot, with a table of the same figures for those who do not see them.
//
// The figures come from the API; live.js hands on each sample as it is heard on the page's websocket ("eve:samples").
// Where nothing was measured the line is broken, and the words say so.

import { fitTables } from "./tables.js";
import { merged, nice, rateWords, rows, summary, bytesWords } from "./figures.js";

const RETRY_MS = 10_000;
const LEAST_AGAIN_MS = 60_000;
const LIVE_RANGE = "1h";
const BINARY = Array.from({ length: 60 }, (_, power) => 2 ** power); // distances between marks of bytes
const FRESH_SECONDS = 45; // four samples missed: it is not measured now

const box = document.getElementById("graphs");
const language = document.documentElement.lang || "en";
const words = box.dataset;
const plots = new Map();
let range = LIVE_RANGE; // that was chosen
let drawn = ""; // that the graph is of: another one until that comes
let graph = null;
let timer = 0;
let asked = 0;

/** What each graph shows of the columns, and in which unit. */
const KINDS = {
  cpu: { columns: [["cpu_cores", "taken"]], most: Number(words.cpus) || null, share: true },
  memory: { columns: [["memory_bytes", "used"]], most: Number(words.memory) || null, format: bytesWords },
  disk: {
    columns: [["disk_read_bytes_per_second", "read"], ["disk_write_bytes_per_second", "written"]],
    format: rateWords,
  },
  network: {
    columns: [["network_received_bytes_per_second", "received"], ["network_sent_bytes_per_second", "sent"]],
    format: rateWords,
  },
};

function format(kind, value) {
  if (value === null || value === undefined) return "–";
  if (!kind.share) return kind.format(value, language);
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: value < 0.1 ? 1 : 0 }).format(value);
}

/** A column as it is shown: processor time as a share of the processors. */
function shown(kind, name) {
  const values = graph[name];
  return kind.share && kind.most ? values.map((value) => (value === null ? null : value / kind.most)) : values;
}

// ------------------------------------------------------------------------------------------------ Drawing

/** A colour of the theme, as the canvas wants it. */
function colour(name) {
  const probe = box.querySelector(`[data-colour="${name}"]`);
  return getComputedStyle(probe).color;
}

function axis(more) {
  return {
    stroke: () => colour("text"),
    grid: { stroke: () => colour("grid"), width: 1 },
    ticks: { show: false },
    font: '12px "Inter", system-ui, sans-serif',
    ...more,
  };
}

function clock(seconds) {
  const form = drawn === "30d" ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" };
  return new Date(seconds * 1000).toLocaleString(language, form);
}

function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}

function options(kind, place) {
  const top = kind.share ? 1 : kind.most;
  return {
    width: Math.max(200, place.clientWidth),
    height: 150,
    padding: [null, 32, null, null], // the right: half of the time at the last mark
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    legend: { live: true },
    scales: {
      x: { time: true },
      y: { range: (_plot, _least, most) => [0, top && most <= top ? top : nice(most, !kind.share)] },
    },
    axes: [
      axis({ values: (_plot, ticks) => ticks.map(clock), space: 70, size: 32, gap: 9 }),
      axis({ values: (_plot, ticks) => ticks.map((tick) => format(kind, tick)), size: 74, ...(kind.share ? {} : { incrs: BINARY }) }),
    ],
    series: [
      { label: words.time, value: (_plot, seconds) => (seconds === null ? "–" : moment(seconds)) },
      ...kind.columns.map(([, name], index) => ({
        label: words[name],
        stroke: () => colour(index ? "second" : "first"),
        fill: () => (kind.columns.length > 1 ? "" : colour("under")),
        width: 1.5,
        spanGaps: false,
        points: { size: 4 }, // where they stand far apart, and alone between gaps
        value: (_plot, value) => format(kind, value),
      })),
    ],
  };
}

function draw() {
  for (const figure of box.querySelectorAll("[data-graph]")) {
    const kind = KINDS[figure.dataset.graph];
    const columns = kind.columns.map(([name]) => shown(kind, name));
    const place = figure.querySelector("[data-plot]");
    const isEmpty = columns.every((column) => column.every((value) => value === null));
    figure.querySelector("[data-none]").hidden = !isEmpty;
    place.hidden = isEmpty;
    say(figure, kind, columns);
    if (isEmpty) continue;
    const data = [graph.times, ...columns];
    const plot = plots.get(place);
    if (plot) plot.setData(data);
    else plots.set(place, new window.uPlot(options(kind, place), data, place));
  }
  if (box.querySelector("details[open]")) fillTable();
}

/** What the graph says, in words: beside its name, and as the picture's description. */
function say(figure, kind, columns) {
  const now = columns.map((column, index) => {
    const { last, at } = summary(graph.times, column);
    const isFresh = last !== null && Date.now() / 1000 - at < FRESH_SECONDS + graph.step_seconds * 2;
    return isFresh ? `${format(kind, last)} ${words[kind.columns[index][1]]}` : null;
  });
  const isKnown = now.some((each) => each !== null);
  const text = isKnown ? now.filter((each) => each !== null).join(", ") : words.notNow;
  figure.querySelector("[data-now]").textContent = text;
  const most = columns.map((column, index) => {
    const { most: top } = summary(graph.times, column);
    return `${words[kind.columns[index][1]]}: ${words.highest} ${format(kind, top)}`;
  });
  const place = figure.querySelector("[data-plot]");
  place.setAttribute("aria-label", `${figure.querySelector("h3").textContent}. ${text}. ${most.join(", ")}.`);
}

// ------------------------------------------------------------------------------------------------ The table

function fillTable() {
  const body = box.querySelector(".figures tbody"); // uPlot makes tables too
  body.textContent = "";
  const all = Object.values(KINDS).flatMap((kind) => kind.columns.map(([name]) => [kind, shown(kind, name)]));
  for (const { since, until, values } of rows(graph.times, graph.step_seconds, all.map(([, column]) => column))) {
    const row = body.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = drawn === "30d" ? `${moment(since)}` : `${clock(since)}–${clock(until)}`;
    row.append(head);
    values.forEach((value, index) => {
      row.insertCell().textContent = format(all[index][0], value);
    });
  }
  fitTables();
}

// ------------------------------------------------------------------------------------------------ Figures

function status(text) {
  const place = box.querySelector("[data-status]");
  place.textContent = text;
  place.hidden = !text;
  box.querySelector("[data-all]").hidden = Boolean(text) && graph === null;
}

async function load() {
  clearTimeout(timer);
  const mine = (asked += 1);
  try {
    const response = await fetch(`${words.url}?range=${range}`, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!response.ok) throw new Error(String(response.status));
    const found = await response.json();
    if (mine !== asked) return; // another range was chosen meanwhile
    graph = found;
    drawn = range;
    status("");
    draw();
    box.dataset.drawn = drawn;
    timer = setTimeout(load, Math.max(LEAST_AGAIN_MS, graph.step_seconds * 1000));
  } catch {
    if (mine !== asked) return;
    status(words.failed);
    timer = setTimeout(load, RETRY_MS);
  }
}

function choose(button) {
  range = button.value;
  for (const each of box.querySelectorAll("[data-range]")) each.setAttribute("aria-pressed", String(each === button));
  load();
}

for (const button of box.querySelectorAll("[data-range]")) button.addEventListener("click", () => choose(button));
box.querySelector("details").addEventListener("toggle", () => graph && fillTable());
document.addEventListener("eve:samples", ({ detail }) => {
  if (drawn !== LIVE_RANGE) return;
  graph = merged(graph, detail);
  draw();
  box.dataset.live = String(graph.times.at(-1));
});
document.addEventListener("eve:live-again", load);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) load();
});
const redraw = () => {
  for (const plot of plots.values()) plot.redraw(false);
};
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
new ResizeObserver(() => {
  for (const [place, plot] of plots) {
    if (place.clientWidth && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: 150 });
  }
}).observe(box);
load();
