// The enrolment page: counts the line's time down, follows the host's state, and tests the connection once it changes.

const PROGRESS_MS = 1000;
const script = document.querySelector("script[data-address]");

// The page may be the answer to a form: reloading it must ask for the page, not for another line.
history.replaceState(null, "", script.dataset.address);

const clock = document.querySelector("[data-countdown]");

function countDown() {
  const left = Math.max(0, Math.round((Date.parse(clock.dataset.countdown) - Date.now()) / 1000));
  if (!clock.isConnected) return;
  clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  if (left > 0) setTimeout(countDown, 1000);
}

if (clock) countDown();

const steps = document.getElementById("steps");
const test = document.querySelector("form[data-test]");
let testing = false;

async function runTest() {
  if (testing) return;
  testing = true;
  const note = document.createElement("p");
  note.className = "cbody muted";
  note.textContent = steps.dataset.running;
  steps.replaceChildren(note);
  try {
    const response = await fetch(test.action, {
      method: "POST",
      body: new FormData(test),
      headers: { "X-Requested-With": "fetch" },
      redirect: "error",
    });
    if (!response.ok) throw new Error(response.statusText);
    steps.innerHTML = await response.text();
  } catch {
    note.textContent = steps.dataset.failed;
  } finally {
    testing = false;
  }
}

test.addEventListener("submit", (event) => {
  event.preventDefault();
  runTest();
});

const progress = document.getElementById("progress");
let key = progress.firstElementChild?.dataset.key ?? "";

async function follow() {
  if (!document.hidden) {
    try {
      const response = await fetch(progress.dataset.progress, { redirect: "error" });
      if (response.ok) {
        const text = await response.text();
        const card = new DOMParser().parseFromString(text, "text/html").querySelector("section");
        if (card && card.dataset.key !== key) {
          key = card.dataset.key;
          progress.replaceChildren(card);
          if (card.dataset.spent === "yes") {
            for (const part of document.querySelectorAll("[data-line]")) part.remove();
            for (const part of document.querySelectorAll("[data-line-used]")) part.hidden = false;
            runTest();
          }
        }
      }
    } catch {
      // Eve is away for a moment; the next question may be answered.
    }
  }
  setTimeout(follow, PROGRESS_MS);
}

follow();
