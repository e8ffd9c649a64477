// An image from a file of one's own: sent in pieces, each at the place where the host's part ends. What breaks off goes on
// there: by itself after a lost connection, with the same file chosen again after a reload.

import { csrfToken } from "../eve.js";

const FIRST_PIECE = 1024 * 1024;
const BRISK_MS = 2_000;
const SLOW_MS = 8_000;
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000];

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || String(problem.status));
    this.problem = problem;
  }
}

class Broken extends Error {}

async function request(method, path, { json, data } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      headers: {
        Accept: "application/json",
        ...(method === "GET" ? {} : { "X-CSRFToken": csrfToken() }),
        ...(json ? { "Content-Type": "application/json" } : {}),
        ...(data ? { "Content-Type": "application/octet-stream" } : {}),
      },
      body: json ? JSON.stringify(json) : data,
    });
  } catch (error) {
    throw new Broken(String(error));
  }
  let answer = {};
  try {
    answer = await response.json();
  } catch {
    // A proxy's own page, perhaps. The status has to do.
  }
  if (response.ok) return answer;
  if (response.status >= 500 && answer.code !== "image_refused") throw new Broken(String(response.status));
  throw new Refused({ ...answer, status: response.status });
}

/** The length of the next piece, after one of `length` took `ms`: long ones where the way is brisk, never beyond `most`. */
export function nextLength(length, ms, most) {
  if (ms < BRISK_MS) return Math.min(most, length * 2);
  if (ms > SLOW_MS) return Math.max(64 * 1024, Math.floor(length / 2));
  return Math.min(most, length);
}

/**
 * Sends what is missing of `file` to `path`, then asks for the check. `tell({received, isBroken})` is called at each change.
 * Throws Refused where going on makes no sense.
 */
export async function send(file, path, tell, { ask = request, wait = pause } = {}) {
  let length = FIRST_PIECE;
  let received = -1;
  let tries = 0;
  for (;;) {
    try {
      if (received < 0) received = (await ask("GET", path)).received_bytes;
      tell({ received, isBroken: false });
      if (received >= file.size) {
        await ask("POST", path);
        return;
      }
      const begun = performance.now();
      const answer = await ask("PUT", `${path}?offset=${received}`, { data: file.slice(received, received + length) });
      received = answer.received_bytes;
      length = nextLength(length, performance.now() - begun, answer.piece_bytes);
      tries = 0;
    } catch (error) {
      const isElsewhere = error instanceof Refused && typeof error.problem.received_bytes === "number";
      if (!isElsewhere && !(error instanceof Broken)) throw error;
      if (isElsewhere && tries > PAUSES_MS.length) throw error;
      tell({ received: Math.max(received, 0), isBroken: !isElsewhere });
      received = -1; // the host knows how far it came
      await wait(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]);
      tries += 1;
    }
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes in the unit that reads best: 2147483648 is “2 GiB”. */
export function inUnits(count) {
  let power = 0;
  while (power < UNITS.length - 1 && count >= 1024) {
    count /= 1024;
    power += 1;
  }
  const digits = count >= 100 || Number.isInteger(count) ? 0 : 1;
  return `${count.toLocaleString(undefined, { maximumFractionDigits: digits })} ${UNITS[power]}`;
}

// ------------------------------------------------------------------------------------------------ The page

function panelOf(root) {
  const panel = root.querySelector("[data-upload-panel]");
  const bar = panel.querySelector("progress");
  const words = panel.querySelector("[data-upload-words]");
  return {
    show(received, total, isBroken) {
      panel.hidden = false;
      bar.max = total;
      bar.value = received;
      const part = panel.dataset.part.replace("{received}", inUnits(received)).replace("{total}", inUnits(total));
      words.textContent = isBroken ? `${part} ${panel.dataset.broken}` : part;
    },
    hide() {
      panel.hidden = true;
    },
  };
}

function warn(event) {
  event.preventDefault();
}

function say(root, text) {
  const place = root.querySelector("[data-upload-error]");
  place.hidden = !text;
  place.querySelector("div").textContent = text;
}

async function sendFrom(root, file, path, page) {
  const panel = panelOf(root);
  addEventListener("beforeunload", warn);
  try {
    await send(file, path, ({ received, isBroken }) => panel.show(received, file.size, isBroken));
    removeEventListener("beforeunload", warn);
    location.assign(page);
  } catch (error) {
    removeEventListener("beforeunload", warn);
    panel.hide();
    say(root, error.message);
  }
}

function wordsOf(error) {
  const fields = error.problem?.errors;
  const words = fields && typeof fields === "object" ? Object.values(fields).flat().join(" ") : "";
  return words || error.message;
}

async function begin(root, form) {
  const file = form.elements.file.files[0];
  if (!file) return;
  const field = (name) => form.elements[name].value.trim();
  const wanted = {
    name: field("name"),
    kind: field("kind"),
    format: field("format"),
    site: field("site"),
    project: field("project") || null,
    sha256: field("sha256").toLowerCase(),
    size_bytes: file.size,
  };
  say(root, "");
  let image;
  try {
    image = (await request("POST", root.dataset.images, { json: wanted })).image;
  } catch (error) {
    say(root, error instanceof Broken ? root.dataset.unreachable : wordsOf(error));
    return;
  }
  form.hidden = true;
  const page = root.dataset.page.replace("00000000-0000-0000-0000-000000000000", image.id);
  history.replaceState(null, "", page); // a reload leads to where it can go on
  await sendFrom(root, file, `${root.dataset.images}/${image.id}/data`, page);
}

function goOn(root, form) {
  const file = form.elements.file.files[0];
  if (!file) return;
  if (file.size !== Number(root.dataset.size)) {
    say(root, root.dataset.otherFile);
    return;
  }
  say(root, "");
  form.hidden = true;
  sendFrom(root, file, root.dataset.path, location.pathname);
}

/** Suggests a name, and the format that the file's name stands for. */
function suggest(form) {
  const file = form.elements.file.files[0];
  if (!file || !form.elements.name) return;
  if (!form.elements.name.value) form.elements.name.value = file.name.replace(/\.(qcow2|img|raw|iso)$/i, "").slice(0, 100);
  if (/\.iso$/i.test(file.name)) form.elements.kind.value = "iso";
  if (/\.(iso|raw)$/i.test(file.name)) form.elements.format.value = "raw";
}

if (typeof document !== "undefined") {
  for (const root of document.querySelectorAll("[data-upload]")) {
    const form = root.querySelector("form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (root.dataset.path) goOn(root, form);
      else begin(root, form);
    });
    form.elements.file.addEventListener("change", () => suggest(form));
  }
}
