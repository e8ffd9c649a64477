"""Hears, once for all consoles of a process, what the channel layer says of them, and tells those whom it concerns."""

from __future__ import annotations

import asyncio
import weakref
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from common.hearing import Hearing

from .notices import CHECK, GROUP

KEPT_NOTICES = 256
"""As many are remembered for consoles that are being opened."""


class Listener(Protocol):
    """A live console."""

    def notice(self, notice: Mapping[str, Any]) -> None:
        """It is told one of :mod:`consoles.notices`. Does not wait."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """A moment in what the switchboard hears."""

    hearing: int
    """Which time that it hears the channel layer, from 1; 0 while it does not."""
    notices: int
    """How many notices it had heard."""


class Switchboard:
    """One for each event loop: :func:`switchboard`."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = defaultdict(set)
        self._hearing = Hearing(GROUP, begun=self._begun, heard=self._heard)
        self._hearings = 0
        self._notices = 0
        self._kept: deque[Mapping[str, Any]] = deque(maxlen=KEPT_NOTICES)

    @property
    def position(self) -> Position:
        """Now. Whoever reads the database after this, and joins since this, misses nothing."""
        self._hearing.begin()
        return Position(self._hearings if self._hearing.is_on else 0, self._notices)

    def join(self, listener: Listener, topics: Iterable[str], *, since: Position) -> None:
        """From `since` on `listener` is told of `topics`; and each time that something may have been missed, to look."""
        self._hearing.begin()
        topics = set(topics)
        for topic in topics:
            self._listeners[topic].add(listener)
        missed = self._notices - since.notices
        if not self._hearing.is_on or since.hearing != self._hearings or missed > len(self._kept):
            listener.notice({"what": CHECK})
            return
        for notice in list(self._kept)[len(self._kept) - missed :]:
            if notice["topic"] in topics:
                listener.notice(notice)

    def leave(self, listener: Listener, topics: Iterable[str]) -> None:
        """It is told nothing more."""
        for topic in topics:
            self._listeners[topic].discard(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]

    def _begun(self) -> None:
        self._hearings += 1
        _tell(set().union(*self._listeners.values()), {"what": CHECK})

    def _heard(self, notice: Mapping[str, Any]) -> None:
        self._notices += 1
        self._kept.append(notice)
        _tell(self._listeners.get(notice["topic"], ()), notice)


def _tell(listeners: Iterable[Listener], notice: Mapping[str, Any]) -> None:
    for listener in tuple(listeners):
        listener.notice(notice)


_boards: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Switchboard] = weakref.WeakKeyDictionary()


def switchboard() -> Switchboard:
    """That of the running loop."""
    return _boards.setdefault(asyncio.get_running_loop(), Switchboard())
