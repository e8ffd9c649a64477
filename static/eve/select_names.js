// Names the boxes that Select2 puts in the place of fields in Django's admin. By itself it names them by what is chosen: not at all, while they are empty.

/** What a field is called. */
function nameOf(field) {
  return field.getAttribute("aria-label") ?? field.labels[0].textContent.trim();
}

/** Names the boxes within `place`. */
function nameBoxes(place) {
  for (const field of place.querySelectorAll("select.select2-hidden-accessible")) {
    const box = field.nextElementSibling.querySelector(".select2-selection");
    box.removeAttribute("aria-labelledby");
    for (const part of [box, box.querySelector("[role=textbox]")]) part.setAttribute("aria-label", nameOf(field));
  }
}

django.jQuery(() => nameBoxes(document));
django.jQuery(document).on("select2:open", ({ target }) => {
  const box = target.nextElementSibling.querySelector(".select2-selection");
  box.setAttribute("aria-controls", box.getAttribute("aria-owns")); // as ARIA 1.2 calls it
  document.querySelector(".select2-container--open .select2-search__field").setAttribute("aria-label", nameOf(target));
});
document.addEventListener("formset:added", ({ target }) => nameBoxes(target));
