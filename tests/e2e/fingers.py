"""Fingers on a console's page: real touches, and what the guest is sent of them."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from .conftest import World
from .screen import wait_for_screen
from .test_pages import LOOKS

OLIVIA = "olivia@acme.example"
PHONE = LOOKS["phone"]
Points = list[tuple[float, float]]
SOON_SECONDS = 20
FRAMES = """async () => {
    for (let frame = 0; frame < 4; frame += 1) await new Promise((drawn) => requestAnimationFrame(drawn));
}"""
"""noVNC fits its picture a frame after its element has another size."""


class Fingers:
    """Real touches, as the browser's debugger gives them, and what the page sends the guest of them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sent: list[bytes] = []
        page.on("websocket", lambda socket: socket.on("framesent", self._note))
        self.debugger = page.context.new_cdp_session(page)

    def _note(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.sent.append(data)

    def touch(self, kind: str, points: Points) -> None:
        """``touchStart``, ``touchMove`` or ``touchEnd`` with the fingers that are down then."""
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.debugger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    def move(self, start: Points, end: Points, *, steps: int = 11) -> None:
        """Puts fingers down, moves them in a straight line, and lifts them.

        So many steps that none ends at the 50 pixels from which on noVNC takes two fingers for a gesture: it would wait 50 ms for what
        comes next, and on a busy machine take the next tap for a part of it.
        """
        self.touch("touchStart", start)
        for step in range(1, steps + 1):
            share = step / steps
            pairs = zip(start, end, strict=True)
            self.touch(
                "touchMove", [(x + (to_x - x) * share, y + (to_y - y) * share) for (x, y), (to_x, to_y) in pairs]
            )
            self.page.wait_for_timeout(20)
        self.touch("touchEnd", [])
        self.page.wait_for_timeout(200)  # a finger that comes at once would belong to the same gesture
        self.page.evaluate(FRAMES)

    def pointers(self) -> list[tuple[int, int, int]]:
        """Buttons and place of each PointerEvent (RFC 6143, 7.5.5) that was sent since, and forgets them."""
        messages, self.sent[:] = list(self.sent), []
        events = [data[at : at + 6] for data in messages if data[:1] == b"\x05" for at in range(0, len(data) - 5, 6)]
        return [struct.unpack(">xBHH", event) for event in events]

    def presses(self) -> list[int]:
        """The buttons of each."""
        return [buttons for buttons, _x, _y in self.pointers()]

    def wait_for(self, *buttons: int) -> tuple[int, int]:
        """Until PointerEvents with each of these buttons were sent; where the last one was."""
        seen, deadline = self.pointers(), time.monotonic() + SOON_SECONDS
        while not {pressed for pressed, _x, _y in seen}.issuperset(buttons):
            assert time.monotonic() < deadline, seen
            self.page.wait_for_timeout(20)
            seen += self.pointers()
        return seen[-1][1:]

    def keys(self) -> list[bytes]:
        """Messages of keys among what was sent: KeyEvent, or QEMU's own."""
        return [data for data in self.sent if data[:1] in (b"\x04", b"\xff")]


def box_of(page: Page, selector: str = "#screen canvas") -> dict[str, float]:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


@pytest.fixture
def touched(world: World, browse: Callable[..., Page]) -> Fingers:
    page = browse(OLIVIA, **PHONE)
    fingers = Fingers(page)
    page.goto(world.console_url)
    wait_for_screen(page)
    page.evaluate(FRAMES)
    fingers.sent.clear()
    return fingers
