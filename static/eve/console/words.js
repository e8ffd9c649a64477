// The page's texts, all from its templates (and so translated); they are set as text, never as HTML.

/** A short text of <template id="words">, with {placeholders} filled. */
export function word(name, values = {}) {
  const found = document.getElementById("words").content.querySelector(`[data-word="${CSS.escape(name)}"]`);
  const text = found?.textContent.trim() ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** Whether there is such a text. */
export function hasWord(name) {
  return Boolean(document.getElementById("words").content.querySelector(`[data-word="${CSS.escape(name)}"]`));
}
