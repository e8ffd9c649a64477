"""Waiting for what goes on elsewhere: often asked at first, for what is over at once, and seldom later."""

from __future__ import annotations

import time

FIRST_SECONDS = 0.01
LONGEST_SECONDS = 0.5


class Pauses:
    """Waits between questions, each pause twice as long as the one before, from 10 ms up to half a second."""

    def __init__(self) -> None:
        self._seconds = FIRST_SECONDS

    def wait(self) -> None:
        """Blocks this thread."""
        time.sleep(self._seconds)
        self._seconds = min(2 * self._seconds, LONGEST_SECONDS)
