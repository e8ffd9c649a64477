// The screen's page: the picture, its keys, and what its bar has beside what every console's has.

import { keepPicture, Refused } from "./api.js";
import { Dictation } from "./dictation.js";
import { Discs } from "./discs.js";
import { combination } from "./keys.js";
import { remember, remembered } from "./memory.js";
import { ConsolePage } from "./page.js";
import { savePicture } from "./picture.js";
import { Screen } from "./screen.js";
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
    }),
  changed: () => {
    if (!page.isControlling) dictation?.lost();
    document.querySelector('[data-do="view-only"]')?.setAttribute("aria-checked", String(page.session.mode === "view"));
  },
});
const screen = page.surface;
const field = document.getElementById("typing");
const dictation = facts.typingUrl && page.mayControl
  ? new Dictation({ url: facts.typingUrl, keyboards: facts.keyboardUrl, screen, tell: page.tell })
  : null;

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
  document.querySelector('[data-do="scale"]').setAttribute("aria-pressed", String(isFitting));
  document.querySelector("[data-scale-word]").textContent = word(isFitting ? "fit" : "one-to-one");
  remember("scale", isFitting ? "fit" : "1:1");
}

function hold(button) {
  const isHeld = button.getAttribute("aria-pressed") !== "true";
  const [[keysym, code]] = combination(button.dataset.hold);
  screen.key(keysym, code, isHeld);
  for (const each of document.querySelectorAll(`[data-hold="${CSS.escape(button.dataset.hold)}"]`)) {
    each.setAttribute("aria-pressed", String(isHeld));
  }
}

function releaseHeld() {
  for (const button of document.querySelectorAll('[data-hold][aria-pressed="true"]')) {
    if (button.getAttribute("aria-pressed") === "true") hold(button);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-press], [data-hold], [data-quality]");
  if (!button || button.disabled) return;
  const { press, hold: held, quality } = button.dataset;
  if (press) {
    screen.press(combination(press));
    releaseHeld();
    if (button.matches(".menu-it")) screen.focus(); // the menu closes: typing goes on
  } else if (held) hold(button);
  else setQuality(quality);
});

// ------------------------------------------------------------------------------------------------ start

if (facts.discUrl) new Discs({ url: facts.discUrl, tell: page.tell });
const typing = field && new Typing(field, document.querySelector("[data-do=keyboard]"), screen);
setQuality(remembered("quality") ?? "balanced");
setScale(remembered("scale") !== "1:1");
page.start({
  keyboard: () => typing.toggle(),
  "ctrl-alt-del": () => {
    screen.ctrlAltDel();
    if (document.activeElement !== field) screen.focus();
  },
  scale: (button) => setScale(button.getAttribute("aria-pressed") !== "true"),
  screenshot: (button) => picture(button, () => savePicture(facts.screenshotUrl, page.name), "picture-saved"),
  "keep-picture": (button) => picture(button, () => keepPicture(facts.screenshotsUrl), "picture-kept"),
  "view-only": (button) => {
    const mode = button.getAttribute("aria-checked") === "true" ? "control" : "view";
    if (mode === "view") screen.viewOnly = true; // at once; the new ticket makes it so on the server
    page.dispatch({ type: "mode", mode });
  },
  "function-keys": (button) => {
    const row = document.getElementById("phone-f");
    row.hidden = !row.hidden;
    button.setAttribute("aria-expanded", String(!row.hidden));
  },
});
