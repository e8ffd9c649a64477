// The page's texts, all from its templates (and so translated); they are set as text, never as HTML.

import { filled } from "../names.js";

/** A short text of <template id="words">, with {placeholders} filled. */
export function word(name, values = {}) {
  const found = document.getElementById("words").content.querySelector(`[data-word="${CSS.escape(name)}"]`);
  const text = found?.textContent.trim() ?? name;
  return filled(text, values);
}

/** Whether there is such a text. */
export function hasWord(name) {
  return Boolean(document.getElementById("words").content.querySelector(`[data-word="${CSS.escape(name)}"]`));
}

/**
 * Eve's own reason as a sentence: a short name such as "logout" stands for a text of the page, and is not shown if there is none;
 * words are shown as they are.
 */
export function reason(text) {
  const trimmed = text.trim();
  if (/^[a-z0-9_]*$/.test(trimmed)) return hasWord(`reason-${trimmed}`) ? word(`reason-${trimmed}`) : "";
  const start = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(start) ? start : `${start}.`;
}
