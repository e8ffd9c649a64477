// What a person chose last, kept by the browser for the next console.

export function remember(key, value) {
  try {
    localStorage.setItem(`eve-console-${key}`, value);
  } catch {
    // Storage may be forbidden; the choice then holds for this page.
  }
}

export function remembered(key) {
  try {
    return localStorage.getItem(`eve-console-${key}`);
  } catch {
    return null;
  }
}
