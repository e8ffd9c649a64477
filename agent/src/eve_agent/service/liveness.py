"""When to ping a viewer and when it counts as stalled: arithmetic on the clock, nothing else.

A viewer is alive while bytes arrive from it, or while it takes what is sent (the kernel's count of acknowledged
bytes grows by more than pings alone explain). It is stalled when, with something outstanding, neither happened for
`stalled_seconds`: its host is gone, or it stopped reading.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

PING_COST_BYTES = 64
"""More than one ping costs on the wire (an empty frame in a TLS record): growth below it proves no reader."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The clockwork of a console's two legs."""

    ping_seconds: float = 20.0
    stalled_seconds: float = 40.0
    """Together with `tick_seconds` below the promised 45."""
    tick_seconds: float = 2.5
    """How often limits and liveness are looked at."""
    closing_seconds: float = 2.0
    """How long a peer may take to answer a close."""


class Verdict(enum.Enum):
    """What to do now."""

    FINE = enum.auto()
    PING = enum.auto()
    STALLED = enum.auto()


class ViewerPulse:
    """The leg to the viewer."""

    __slots__ = ("_acknowledged", "_is_ping_open", "_pace", "_pinged_at", "_seen_at")

    def __init__(self, pace: Pace, now: float) -> None:
        self._pace = pace
        self._seen_at = now
        self._pinged_at = now
        self._is_ping_open = False
        self._acknowledged = 0

    def received(self, now: float) -> None:
        """Bytes of any kind arrived."""
        self._seen_at = now
        self._is_ping_open = False

    def check(self, now: float, *, acknowledged_bytes: int, waiting_bytes: int, is_listening: bool) -> Verdict:
        """The verdict.

        Args:
            now: seconds of a monotonic clock.
            acknowledged_bytes: what the peer's kernel has acknowledged in all.
            waiting_bytes: what waits in this process to be sent.
            is_listening: False while reading from the viewer is paused, when its pong could not be seen.
        """
        grown, self._acknowledged = acknowledged_bytes - self._acknowledged, acknowledged_bytes
        if grown > PING_COST_BYTES:
            self._seen_at = now
        is_owed = waiting_bytes > 0 or (self._is_ping_open and is_listening)
        if is_owed and now - self._seen_at >= self._pace.stalled_seconds:
            return Verdict.STALLED
        if not waiting_bytes and now - self._pinged_at >= self._pace.ping_seconds:
            self._pinged_at = now
            self._is_ping_open = True
            return Verdict.PING
        return Verdict.FINE


class DisplayPulse:
    """The leg to the display, which has no pings: it is stalled when what waits for it does not shrink."""

    __slots__ = ("_moved_at", "_pace", "_waiting_bytes")

    def __init__(self, pace: Pace, now: float) -> None:
        self._pace = pace
        self._moved_at = now
        self._waiting_bytes = 0

    def check(self, now: float, *, waiting_bytes: int) -> Verdict:
        """FINE or STALLED; `waiting_bytes` is what waits in this process to be sent."""
        if waiting_bytes < self._waiting_bytes or not waiting_bytes:
            self._moved_at = now
        self._waiting_bytes = waiting_bytes
        return Verdict.STALLED if now - self._moved_at >= self._pace.stalled_seconds else Verdict.FINE
