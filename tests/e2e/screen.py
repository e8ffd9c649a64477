"""A guest's screen in a console page: waiting for it, reading it, typing at it."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

DRAWN = """() => {
    const canvas = document.querySelector("#screen canvas");
    if (!canvas || !canvas.width || !canvas.height) return false;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let lit = 0;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] + pixels[i + 1] + pixels[i + 2] > 120) lit += 1;
    return lit;
}"""
SHIFTED = {"~": "Backquote", "!": "Digit1", "$": "Digit4", ">": "Period", "_": "Minus", '"': "Quote", "&": "Digit7"}


def wait_for_screen(page: Page, *, seconds: float = 30) -> int:
    """Waits until the guest's screen is drawn; the number of lit pixels."""
    wait_for_lit(page, lambda lit: lit > 50, seconds=seconds)
    expect(page.locator("#card")).to_be_hidden(timeout=seconds * 1000)
    return lit_pixels(page)


def wait_for_lit(page: Page, is_enough: Callable[[int], bool], *, seconds: float = 30) -> None:
    """Waits until so many pixels are lit."""
    deadline = time.monotonic() + seconds
    while not is_enough(lit := lit_pixels(page)):  # the page's policy forbids the eval of wait_for_function
        assert time.monotonic() < deadline, (lit, page.locator("#card").inner_text())
        page.wait_for_timeout(100)


def lit_pixels(page: Page) -> int:
    """How many pixels of the screen are not dark."""
    return int(page.evaluate(DRAWN))


def type_line(page: Page, text: str) -> None:
    """Clicks the guest's screen, and types `text` and Enter."""
    page.locator("#screen canvas").click()
    press_line(page, text)


def press_line(page: Page, text: str) -> None:
    """Types `text` and Enter at what has the focus, with Shift held where the key needs it: noVNC sends scan codes."""
    for letter in text:
        if letter in SHIFTED:
            page.keyboard.press(f"Shift+{SHIFTED[letter]}")
        elif letter.isupper():
            page.keyboard.press(f"Shift+Key{letter}")
        else:
            page.keyboard.press(letter)
    page.keyboard.press("Enter")
