// The boxes of a table whose rows a form acts on: counts them, chooses all, and offers nothing while none is chosen.

const form = document.getElementById("bulk");
const count = form?.querySelector("[data-count]");

function boxes() {
  return [...document.querySelectorAll('input[form="bulk"]')];
}

function show() {
  const all = document.querySelector("[data-pick-all]"); // it comes anew with its table
  const every = boxes();
  const chosen = every.filter((box) => box.checked).length;
  count.textContent = chosen ? form.dataset.some.replace("{n}", chosen) : form.dataset.none;
  for (const button of form.querySelectorAll("button")) button.disabled = chosen === 0;
  if (!all) return;
  all.checked = chosen > 0 && chosen === every.length;
  all.indeterminate = chosen > 0 && !all.checked;
}

if (form) {
  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-pick-all]")) for (const box of boxes()) box.checked = target.checked;
    if (target.matches('[data-pick-all], input[form="bulk"]')) show();
  });
  addEventListener("pageshow", show); // the browser may have kept what was chosen
  document.addEventListener("eve:part", show); // a row came anew
  show();
}
