// Buttons that press keys: those with data-press once, those with data-hold until they are pressed again or another key was.

/** @typedef {{press: (names: string) => void, hold: (name: string, isHeld: boolean) => void, focus: () => void}} Keyed */

export class KeyButtons {
  /** @param {Keyed} surface what gets the keys, by their names, such as "Control+Alt+F2" */
  constructor(surface) {
    this.surface = surface;
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-press], [data-hold]");
      if (!button || button.disabled) return;
      if (button.dataset.hold) this.#hold(button.dataset.hold, button.getAttribute("aria-pressed") !== "true");
      else this.#press(button);
    });
    // Beside an on-screen keyboard they must not take the focus, or that would go away at each of them.
    document.addEventListener("mousedown", (event) => {
      if (event.target.closest(".vkeys button, [data-do=keyboard]")) event.preventDefault();
    });
  }

  /** Lets go of what is held: another key was pressed with it. */
  release() {
    const held = document.querySelectorAll('[data-hold][aria-pressed="true"]');
    for (const name of new Set([...held].map((button) => button.dataset.hold))) this.#hold(name, false);
  }

  #press(button) {
    this.surface.press(button.dataset.press);
    this.release();
    if (button.matches(".menu-it")) this.surface.focus(); // the menu closes: typing goes on
  }

  #hold(name, isHeld) {
    this.surface.hold(name, isHeld);
    for (const each of document.querySelectorAll(`[data-hold="${CSS.escape(name)}"]`)) {
      each.setAttribute("aria-pressed", String(isHeld));
    }
  }
}

/** Shows on its buttons whether the on-screen keyboard is up. */
export function showKeyboard(isUp) {
  for (const button of document.querySelectorAll("[data-do=keyboard]")) button.setAttribute("aria-pressed", String(isUp));
}
