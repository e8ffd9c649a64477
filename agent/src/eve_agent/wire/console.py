"""Console sessions between Eve and an agent."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from dataclasses import dataclass

from .close import CloseCode


class ConsoleMode(enum.StrEnum):
    """What a viewer may do."""

    CONTROL = "control"
    VIEW = "view"
    """Keys, pointer and clipboard are dropped by the agent."""


class ConsoleKind(enum.StrEnum):
    """Which console."""

    VNC = "vnc"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True)
class ConsoleRequest:
    """Query of the websocket ``/libvirt/domains/{uuid}/console``: one ``key=value`` for each field.

    The agent opens the display *before* it answers 101, so that a refusal is an HTTP answer with a
    :class:`~eve_agent.wire.errors.Problem`; afterwards a session ends with a code of :mod:`~eve_agent.wire.close`.
    Binary messages carry the raw RFB (or serial) bytes both ways; message borders mean nothing.
    No websocket extension is negotiated.
    """

    session: uuid.UUID
    mode: ConsoleMode = ConsoleMode.VIEW
    kind: ConsoleKind = ConsoleKind.VNC
    idle_seconds: int = 1800
    """The session ends after that long without a key, pointer or clipboard message; 0: never."""
    total_seconds: int = 28800
    """The session ends after that long; 0: never."""
    force: bool = False
    """Take a serial line from who holds it. Since version 2."""


@dataclass(frozen=True, slots=True)
class ConsoleModeChange:
    """Body of ``PATCH …/console/{session}``."""

    mode: ConsoleMode


@dataclass(frozen=True, slots=True)
class ConsoleStatus:
    """What ``GET``, ``PATCH`` and ``DELETE …/console/{session}`` answer."""

    session: uuid.UUID
    domain: uuid.UUID
    mode: ConsoleMode
    kind: ConsoleKind
    opened_at: dt.datetime
    bytes_to_viewer: int
    bytes_from_viewer: int
    idle_seconds: float
    """Since the last key, pointer or clipboard message (or since it was opened)."""
    ended: CloseCode | None = None
    """Why the agent ended it; None while it is open. ``GET`` tells it for a minute, to an Eve whose connection broke before the
    close frame came through: that one waits behind all that a slow viewer has not taken. Since version 2."""
