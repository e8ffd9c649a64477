// The screen's page: the picture, its keys, and what its bar has beside what every console's has.

import { keepPicture, pictureOf, Refused } from "./api.js";
import { KeyButtons } from "./buttons.js";
import { Clipboard } from "./clipboard.js";
import { Dictation } from "./dictation.js";
import { saveFile } from "./files.js";
import { remember, remembered } from "./memory.js";
import { ConsolePage } from "./page.js";
import { Screen } from "./screen.js";
import { Trackpad } from "./trackpad.js";
import { Typing } from "./typing.js";
import { word } from "./words.js";

const QUALITIES = { sharp: [9, 0], balanced: [6, 2], saver: [2, 7] };

const facts = document.body.dataset;
const page = new ConsolePage({
  kind: "vnc",
  surfaceFor: (tell) =>
    new Screen({
      target: document.getElementById("screen"),
      ghost: document.getElementById("ghost"),
      library: facts.novnc,
      label: word("screen", { name: facts.vmName }),
      tell,
      lowerQuality: () => {
        setQuality("saver");
        page.tell("quality-lowered");
      },
      zoomed: (scale) => {
        showScale(scale);
        trackpad?.fit();
      },
      copied: (text) => clipboard?.take(text),
    }),
  changed: () => {
    trackpad?.use(page.isControlling);
    if (!page.isControlling) dictation?.lost();
    document.querySelector('[data-do="view-only"]')?.setAttribute("aria-checked", String(page.session.mode === "view"));
  },
});
const screen = page.surface;
const field = document.getElementById("typing");
const dictation = facts.typingUrl && page.mayControl
  ? new Dictation({ url: facts.typingUrl, keyboards: facts.keyboardUrl, screen, tell: page.tell })
  : null;
const pad = document.getElementById("trackpad");
const trackpad = pad && new Trackpad({ pad, stage: document.getElementById("stage"), screen });
const clipboard = page.mayControl ? new Clipboard({ give: (text) => screen.give(text), tell: page.tell }) : null;

// ------------------------------------------------------------------------------------------------ the bar

async function picture(button, make, told) {
  button.disabled = true;
  try {
    await make();
    page.tell(told);
  } catch (error) {
    page.tell("picture-failed", {}, error instanceof Refused ? error.problem.detail : "");
  } finally {
    button.disabled = false;
  }
}

function setQuality(name) {
  if (!QUALITIES[name]) return;
  screen.quality = QUALITIES[name];
  for (const button of document.querySelectorAll("[data-quality]")) {
    button.setAttribute("aria-pressed", String(button.dataset.quality === name));
  }
  document.querySelector("[data-quality-word]").textContent = word(`quality-${name}`);
  remember("quality", name);
}

function setScale(isFitting) {
  screen.isFitting = isFitting;
  document.getElementById("stage").classList.toggle("one-to-one", !isFitting);
  showScale(isFitting ? null : 1);
  trackpad?.fit();
  remember("scale", isFitting ? "fit" : "1:1");
}

/** How large the picture is: pixels of this page for one of the guest's, or null for what fits. */
function showScale(scale) {
  const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
  const words = scale === null ? word("fit") : scale === 1 ? word("one-to-one") : percent.format(scale);
  document.querySelector('[data-do="scale"]').setAttribute("aria-pressed", String(scale === null));
  document.querySelector("[data-scale-word]").textContent = words;
}

document.addEventListener("click", (event) => {
  const quality = event.target.closest("[data-quality]")?.dataset.quality;
  if (quality) setQuality(quality);
});

// ------------------------------------------------------------------------------------------------ start

const buttons = new KeyButtons(screen);
const typing = field && new Typing({ field, screen, typed: () => buttons.release() });
setQuality(remembered("quality") ?? "balanced");
setScale(remembered("scale") !== "1:1");
page.start({
  keyboard: () => typing.toggle(),
  "ctrl-alt-del": () => {
    screen.ctrlAltDel();
    if (document.activeElement !== field) screen.focus();
  },
  scale: (button) => setScale(button.getAttribute("aria-pressed") !== "true"),
  screenshot: (button) =>
    picture(button, async () => saveFile(await pictureOf(facts.screenshotUrl), page.name, "png"), "picture-saved"),
  "keep-picture": (button) => picture(button, () => keepPicture(facts.screenshotsUrl), "picture-kept"),
  "view-only": (button) => {
    const mode = button.getAttribute("aria-checked") === "true" ? "control" : "view";
    if (mode === "view") screen.viewOnly = true; // at once; the new ticket makes it so on the server
    page.dispatch({ type: "mode", mode });
  },
});
