// What is typed is not lost: a form is sent only while Eve answers and somebody is signed in, and gets its words back where it was refused.

import { csrfToken, toast } from "./eve.js";

const KEPT = "eve-typed";
const ALIVE_MS = 5000;
const place = document.getElementById("sending");
const passed = new WeakSet();
const underWay = new WeakSet(); // a second click meanwhile changes nothing

/** The fields of a form in which somebody wrote, but passwords. */
function written(form) {
  return [...form.querySelectorAll("input, textarea")].filter((field) => {
    const isText = !field.matches("[type=hidden], [type=checkbox], [type=radio], [type=file], [type=password]");
    return isText && field.name && field.value !== field.defaultValue;
  });
}

/** Whether a form changes something, by a page's own request: others search, or send themselves. */
function isSent(form) {
  return form.method === "post" && !form.matches("[hx-post], [data-passkey], [data-upload] form");
}

/** Whether Eve would take a form now: "yes", "signed-out" or "away". */
async function wouldTake() {
  try {
    const response = await fetch(place.dataset.me, { cache: "no-store", signal: AbortSignal.timeout(ALIVE_MS) });
    if (response.status === 401 || response.status === 403) return "signed-out";
    return response.status >= 500 ? "away" : "yes";
  } catch {
    return "away";
  }
}

function tell(state) {
  if (state === "signed-out") tellSignedOut(place.dataset.signedOut);
  else toast(place.dataset.notSent, { kind: "bad", id: "not-sent" });
}

function tellSignedOut(text) {
  const { signIn, login } = place.dataset;
  const action = { label: signIn, run: () => open(login, "_blank", "noopener") };
  toast(text, { kind: "bad", id: "not-sent", action });
}

// A page that loads itself anew would take what is being typed along.
document.addEventListener("eve:access-ended", (event) => {
  const isTyped = [...document.forms].some((form) => isSent(form) && written(form).length);
  if (!isTyped) return;
  event.preventDefault();
  if (!document.querySelector('[data-id="not-sent"]')) tellSignedOut(place.dataset.ended);
});

// In the capture phase and before what asks first: nothing is asked that cannot be done.
addEventListener(
  "submit",
  async (event) => {
    const { submitter, target: form } = event;
    if (!isSent(form)) return;
    const token = form.elements.namedItem("csrfmiddlewaretoken");
    if (token) token.value = csrfToken() || token.value; // another one since somebody signed in in another tab
    if (passed.delete(form)) return;
    const fields = written(form);
    if (!fields.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (underWay.has(form)) return;
    underWay.add(form);
    const state = await wouldTake();
    underWay.delete(form);
    if (state !== "yes") {
      tell(state);
      return;
    }
    keep(form, fields);
    passed.add(form);
    form.requestSubmit(submitter ?? undefined);
  },
  { capture: true },
);

// ------------------------------------------------------------------------------------------------ Back where it was typed

/** The forms that are sent where `action` says: a table has one in each row. */
function alike(action) {
  return [...document.forms].filter((form) => form.method === "post" && form.getAttribute("action") === action);
}

function keep(form, fields) {
  const action = form.getAttribute("action"); // form.action may be a field of that name
  const typed = { action, at: alike(action).indexOf(form), fields: fields.map(({ name, value }) => [name, value]) };
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(typed));
  } catch {
    // Storage may be forbidden or full: then a refused form is empty again.
  }
}

function giveBack() {
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(KEPT));
    sessionStorage.removeItem(KEPT);
  } catch {
    return;
  }
  if (!kept || !document.querySelector("main .note.bad[role=alert]")) return;
  const form = alike(kept.action)[kept.at];
  for (const [name, value] of form ? kept.fields : []) {
    const field = form.elements.namedItem(name);
    if (field instanceof HTMLElement && field.value === field.defaultValue) field.value = value;
  }
}

giveBack();
