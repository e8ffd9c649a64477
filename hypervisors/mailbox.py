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
LISTINGS_PER_SECOND = 0.2
"""As often may a host cause a listing by itself, after :data:`LISTINGS_BURST` of them."""
LISTINGS_BURST = 3.0
RETRY_SECONDS = 5.0
"""After a listing in vain."""


class Bucket:
    """A token bucket: `burst` at once, then `rate` a second."""

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._filled_at = now
        self.tokens = burst

    def fill(self, now: float) -> float:
        """How many tokens there are."""
        self.tokens = min(self._burst, self.tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return self.tokens

    def seconds_to_next(self) -> float:
        """Until there is a whole token, as of the last filling."""
        return max(0.0, (1 - self.tokens) / self._rate)


@dataclass(frozen=True, slots=True)
class Batch:
    """What to do now."""

    is_listing: bool = False
    """List everything; `events` is empty then."""
    events: tuple[Event, ...] = ()
    wait_seconds: float = 0.0
    """Ask again after that long, where nothing arrives meanwhile."""


class Mailbox:
    """Times are those of a monotonic clock, in seconds."""

    def __init__(self, *, resync_seconds: float, now: float) -> None:
        """A first listing is due at once, the next `resync_seconds` after each."""
        self._resync_seconds = resync_seconds
        self._waiting: dict[uuid.UUID, Event] = {}
        self._events = Bucket(rate=EVENTS_PER_SECOND, burst=BURST, now=now)
        self._listings = Bucket(rate=LISTINGS_PER_SECOND, burst=LISTINGS_BURST, now=now)
        self._listed_at = now - resync_seconds
        self._is_listing_wanted = False
        self._not_before = now

    def put(self, event: Event) -> None:
        """An event arrived."""
        if event.kind in (EventKind.LIBVIRT_UP, EventKind.LIBVIRT_DOWN, EventKind.OVERFLOW):
            self._want_listing()
            self._not_before = 0.0
        elif (subject := event_subject(event)) is not None and not self._is_listing_wanted:
            self._waiting.pop(subject, None)  # the newest goes to the end
            self._waiting[subject] = event
            if len(self._waiting) > MAX_WAITING:
                self._want_listing()

    def listed(self, now: float, *, is_complete: bool) -> None:
        """The listing that was handed out is done, or (where it is not complete) has to be done again."""
        self._listed_at = now
        if not is_complete and not self._is_listing_wanted:  # else something happened meanwhile that wants one at once
            self._want_listing()
            self._not_before = now + RETRY_SECONDS

    def take(self, now: float) -> Batch:
        """What to do now. Events that arrive after a listing was handed out wait for its end."""
        self._listings.fill(now)
        until_listing = self._until_listing(now)
        if until_listing <= 0:
            self._listings.tokens = max(0.0, self._listings.tokens - 1)
            self._is_listing_wanted = False
            self._waiting.clear()
            return Batch(is_listing=True)
        count = min(len(self._waiting), int(self._events.fill(now)))
        self._events.tokens -= count
        events = tuple(self._waiting.pop(key) for key in list(self._waiting)[:count])
        wait = min(until_listing, self._events.seconds_to_next()) if self._waiting else until_listing
        return Batch(events=events, wait_seconds=wait)

    def _until_listing(self, now: float) -> float:
        regular = self._listed_at + self._resync_seconds - now
        if not self._is_listing_wanted:
            return regular
        return min(regular, max(self._not_before - now, self._listings.seconds_to_next()))

    def _want_listing(self) -> None:
        """What waits is stale, or too much: everything is to be listed."""
        self._is_listing_wanted = True
        self._waiting.clear()
