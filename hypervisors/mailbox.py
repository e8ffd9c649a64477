"""Events of one host that wait to be written down: the newest of each domain, never more than a bound. Sans-IO."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from eve_agent.wire.events import Event, EventKind

from .inventory import event_subject

MAX_WAITING = 200
"""Domains; beyond, listing them all costs less than going through them one by one."""
EVENTS_PER_SECOND = 20.0
"""Domain events are written one by one at that rate, after a burst of :data:`BURST`; a faster host is listed instead."""
BURST = 100.0
MIN_RESYNC_SECONDS = 5.0
"""Between two listings that a host causes by itself."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What to do now."""

    is_resync: bool = False
    """List everything; `events` is empty then."""
    events: tuple[Event, ...] = ()
    wait_seconds: float | None = None
    """Ask again after that long, where nothing else happens; None: nothing waits."""


class Mailbox:
    """Times are those of a monotonic clock, in seconds."""

    def __init__(self, *, resync_seconds: float, now: float) -> None:
        """A first listing is due at once, the next `resync_seconds` after each."""
        self._resync_seconds = resync_seconds
        self._waiting: dict[uuid.UUID, Event] = {}
        self._tokens = BURST
        self._filled_at = now
        self._listed_at = now - resync_seconds - MIN_RESYNC_SECONDS
        self._resync_wanted = True
        self.is_libvirt_up = True
        """What the host said last."""

    def put(self, event: Event) -> None:
        """An event arrived."""
        if event.kind is EventKind.OVERFLOW:
            self.want_resync()
        elif event.kind in (EventKind.LIBVIRT_UP, EventKind.LIBVIRT_DOWN):
            self.is_libvirt_up = event.kind is EventKind.LIBVIRT_UP
            self.want_resync()
        elif (subject := event_subject(event)) is not None and not self._resync_wanted:
            self._waiting.pop(subject, None)  # the newest goes to the end
            self._waiting[subject] = event
            if len(self._waiting) > MAX_WAITING:
                self.want_resync()

    def want_resync(self) -> None:
        """What waits is stale, or too much: everything is to be listed."""
        self._resync_wanted = True
        self._waiting.clear()

    def listed(self, now: float, *, is_complete: bool = True) -> None:
        """A listing was done just now, or (where it is not complete) tried in vain and has to be done again."""
        self._listed_at = now
        self._resync_wanted = self._resync_wanted or not is_complete

    def take(self, now: float) -> Batch:
        """What to do now. A listing that is handed out counts as begun: events from then on wait for its end."""
        since = now - self._listed_at
        if since >= self._resync_seconds or (self._resync_wanted and since >= MIN_RESYNC_SECONDS):
            self._resync_wanted = False
            self._waiting.clear()
            return Batch(is_resync=True)
        next_listing = (MIN_RESYNC_SECONDS if self._resync_wanted else self._resync_seconds) - since
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * EVENTS_PER_SECOND)
        self._filled_at = now
        count = min(len(self._waiting), int(self._tokens))
        self._tokens -= count
        events = tuple(self._waiting.pop(key) for key in list(self._waiting)[:count])
        wait = min(next_listing, 1 / EVENTS_PER_SECOND) if self._waiting else next_listing
        return Batch(events=events, wait_seconds=max(wait, 0.0))
