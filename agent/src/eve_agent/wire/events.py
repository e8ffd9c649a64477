"""What an agent tells by itself, on the websocket ``/events``: one JSON text message for each :class:`Event`."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass

from .domain import Domain


class EventKind(enum.StrEnum):
    """What an event is about."""

    HELLO = "hello"
    """The first message of a connection."""
    DOMAIN_CHANGED = "domain_changed"
    """Defined, or another state, name or device: :attr:`Event.domain` has it as it is now."""
    DOMAIN_REMOVED = "domain_removed"
    """Undefined, or a transient domain that ended."""
    LIBVIRT_UP = "libvirt_up"
    """libvirt is back: whoever listens should list all domains again."""
    LIBVIRT_DOWN = "libvirt_down"
    OVERFLOW = "overflow"
    """Events were dropped because the listener was slow: list all domains again."""
    UNKNOWN = "unknown"
    """A kind that this version does not know; to be ignored."""


@dataclass(frozen=True, slots=True)
class Event:
    """One message of ``/events``."""

    kind: EventKind
    domain_uuid: uuid.UUID | None = None
    domain: Domain | None = None
    contract_version: int = 0
    """Of the agent; in ``hello`` only."""
