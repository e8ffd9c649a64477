"""The filter of what a viewer sends to a serial line, which has no messages: everything passes, or nothing."""

from __future__ import annotations

from eve_agent.wire.console import ConsoleMode


class LineFilter:
    """As :class:`~eve_agent.service.rfb.RfbFilter`, for bytes of a terminal."""

    def __init__(self, mode: ConsoleMode) -> None:
        self.mode = mode
        """What the viewer may do."""
        self.inputs = 0
        """How often something was sent, passed or not: what counts as "not idle"."""

    def set_mode(self, mode: ConsoleMode) -> None:
        """Changes the mode from the next byte on."""
        self.mode = mode

    def feed(self, data: bytes) -> bytes:
        """What of `data` goes on to the line."""
        self.inputs += 1
        return data if self.mode is ConsoleMode.CONTROL else b""
