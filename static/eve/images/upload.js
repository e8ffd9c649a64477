// An image from a file of one's own. What breaks off goes on: by itself after a lost connection, with the same file chosen
// again after a reload.

import { csrfToken } from "../eve.js";
import { Broken, inUnits, Refused, send } from "./pieces.js";

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

/** Says what is wrong; `page`, where there is one, is where it goes on. */
function say(root, text, page = "") {
  const place = root.querySelector("[data-upload-error]");
  place.hidden = !text;
  place.querySelector("[data-upload-fault]").textContent = text;
  const onward = place.querySelector("[data-upload-onward]");
  onward.hidden = !page;
  onward.querySelector("a").href = page;
}

async function sendFrom(root, file, path, page) {
  const panel = panelOf(root);
  addEventListener("beforeunload", warn);
  try {
    await send(file, path, ({ received, isBroken }) => panel.show(received, file.size, isBroken), {
      ask: request,
    });
    removeEventListener("beforeunload", warn);
    location.assign(page);
  } catch (error) {
    removeEventListener("beforeunload", warn);
    panel.hide();
    say(root, error.message, root.dataset.path ? "" : page);
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
    site: field("site") || null,
    project: field("project") || null,
    sha256: field("sha256").toLowerCase(),
    size_bytes: file.size,
  };
  say(root, "");
  const button = form.querySelector("[type=submit]");
  button.disabled = true; // a second click would announce a second image
  let image;
  try {
    image = (await request("POST", root.dataset.images, { json: wanted })).image;
  } catch (error) {
    say(root, error instanceof Broken ? root.dataset.unreachable : wordsOf(error));
    button.disabled = false;
    return;
  }
  form.hidden = true;
  const page = root.dataset.page.replace("00000000-0000-0000-0000-000000000000", image.id);
  history.replaceState(null, "", page); // a reload leads to where it can go on
  await sendFrom(root, file, `${root.dataset.images}/${image.id}/data`, page);
}

async function goOn(root, form) {
  const file = form.elements.file.files[0];
  if (!file) return;
  if (file.size !== Number(root.dataset.size)) {
    say(root, root.dataset.otherFile);
    return;
  }
  say(root, "");
  form.hidden = true;
  await sendFrom(root, file, root.dataset.path, location.pathname);
  form.hidden = false;
}

/** Suggests a name, and the format that the file's name stands for. */
function suggest(form) {
  const file = form.elements.file.files[0];
  if (!file || !form.elements.name) return;
  if (!form.elements.name.value) form.elements.name.value = file.name.replace(/\.(qcow2|img|raw|iso)$/i, "").slice(0, 100);
  if (/\.iso$/i.test(file.name)) form.elements.kind.value = "iso";
  if (/\.(iso|raw)$/i.test(file.name)) form.elements.format.value = "raw";
}

for (const root of document.querySelectorAll("[data-upload]")) {
  const form = root.querySelector("form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (root.dataset.path) goOn(root, form);
    else begin(root, form);
  });
  form.elements.file.addEventListener("change", () => suggest(form));
}
