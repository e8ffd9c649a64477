// The summary beside the form of a new virtual machine: what was chosen, and what it does to the quota.

import { bytesWords } from "./figures.js";
import { filled, isolated } from "./names.js";

const GIB = 2 ** 30;
const SEARCHED_FROM = 12; // so many images are found by looking
const form = document.getElementById("new-vm");
const own = { vcpus: "vcpus", memory_bytes: "memory_gib", disk_bytes: "disk_gib" };

function checked(name) {
  return [...form.querySelectorAll(`[name="${name}"]:checked`)];
}

function amountWords(name, amount) {
  if (!name.endsWith("_bytes")) return String(amount);
  const language = document.documentElement.lang;
  if (amount > 0 && amount < GIB) return bytesWords(amount, language);
  const count = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  return `${count.format(amount / GIB)} GiB`;
}

/** What the new machine takes of each kind. */
function added() {
  const [size] = checked("size");
  const number = (name) => Number(form.elements[name].value) || 0;
  const amounts = { vms: 1 };
  for (const [name, field] of Object.entries(own)) {
    amounts[name] =
      size?.value === "own" ? number(field) * (name === "vcpus" ? 1 : GIB) : Number(size?.dataset[name] ?? 0);
  }
  const more = form.elements.more_disks.value.match(/\d+/g) ?? [];
  amounts.disk_bytes += more.reduce((sum, each) => sum + Number(each), 0) * GIB;
  return amounts;
}

function showQuota() {
  const amounts = added();
  for (const row of form.querySelectorAll("[data-quota]")) {
    const { quota, used, limit } = row.dataset;
    const before = Number(used);
    const after = before + (amounts[quota] ?? 0);
    const words = row.querySelector("[data-words]");
    words.textContent = `${amountWords(quota, before)} → ${amountWords(quota, after)}`;
    if (!limit) continue;
    const share = (amount) => Math.min(100, (100 * amount) / Math.max(1, Number(limit)));
    row.querySelector(".used").setAttribute("width", share(before));
    row.querySelector(".added").setAttribute("x", share(before));
    row.querySelector(".added").setAttribute("width", Math.max(0, share(after) - share(before)));
    row.classList.toggle("b", after > Number(limit));
    row.classList.toggle("w", after <= Number(limit) && share(after) >= 80);
    if (after > Number(limit)) words.textContent += ` · ${words.dataset.over}`;
  }
}

function show() {
  const name = form.elements.name.value.trim();
  const create = form.querySelector("[data-create]");
  create.textContent = name ? filled(create.dataset.create, { name }) : create.dataset.create.replace(" {name}", "");
  for (const place of form.querySelectorAll("[data-of]")) {
    const { of, none } = place.dataset;
    const labels = checked(of).map((each) => isolated(each.dataset.label));
    if (of === "name") place.textContent = name || "–";
    else place.textContent = labels.join(", ") || none || "–";
  }
  const [image] = checked("image");
  const keys = form.querySelector('[data-of="keys"]');
  if (image?.dataset.kind !== "cloud") keys.textContent = keys.dataset.none;
  const amounts = added();
  const size = form.querySelector('[data-of="size"]');
  const numbers = `${amounts.vcpus} vCPU, ${amountWords("memory_bytes", amounts.memory_bytes)}, ${amountWords("disk_bytes", amounts.disk_bytes)}`;
  const [chosen] = checked("size");
  size.textContent = chosen?.value === "own" ? numbers : `${chosen?.dataset.label}: ${numbers}`;
  showQuota();
}

/** Who chooses an image of a project chooses that project; who then chooses another project, chooses another image. */
function agree({ target }) {
  const [image] = checked("image");
  const { project } = form.elements;
  const owner = image?.dataset.project;
  if (target === project && owner && owner !== project.value) form.querySelector('[name="image"][value=""]').checked = true;
  if (target.name === "image" && owner && owner !== project.value) {
    project.value = owner;
    project.dispatchEvent(new Event("change", { bubbles: true }));
  }
  const told = document.getElementById("image-project");
  told.hidden = !checked("image")[0]?.dataset.project;
  told.textContent = filled(told.dataset.words, { name: project.selectedOptions[0]?.textContent ?? "" });
}

const search = document.getElementById("image-search");
search.hidden = form.querySelectorAll('[name="image"]').length <= SEARCHED_FROM;
search.addEventListener("input", (event) => {
  event.stopPropagation(); // nothing was chosen
  const wanted = event.target.value.trim().toLowerCase();
  for (const image of form.querySelectorAll('[name="image"]')) {
    const option = image.closest("label");
    option.hidden = !image.checked && !option.textContent.toLowerCase().includes(wanted);
  }
});
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") event.preventDefault(); // it would send the form
});

form.addEventListener("change", agree);
form.addEventListener("input", show);
form.addEventListener("change", show);
document.addEventListener("htmx:after:swap", showQuota);
show();
