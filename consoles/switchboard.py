"""Hears, once for all consoles of a process, what the channel layer says of them, and tells those whom it concerns."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from channels.layers import get_channel_layer

from common.publish import LAYER_AWAY

from .notices import CHECK, GROUP

log = structlog.get_logger(__name__)

LISTEN_AGAIN_SECONDS = 5.0
"""After the channel layer went away."""
JOIN_AGAIN_SECONDS = 3600.0
"""The channel layer forgets who is in a group after a day."""
LEAVE_SECONDS = 2.0
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
        self._task: asyncio.Task[None] | None = None
        self._hearings = 0
        self._is_hearing = False
        self._notices = 0
        self._kept: deque[Mapping[str, Any]] = deque(maxlen=KEPT_NOTICES)

    @property
    def position(self) -> Position:
        """Now. Whoever reads the database after this, and joins since this, misses nothing."""
        self._begin()
        return Position(self._hearings if self._is_hearing else 0, self._notices)

    def join(self, listener: Listener, topics: Iterable[str], *, since: Position) -> None:
        """From `since` on `listener` is told of `topics`; and each time that something may have been missed, to look."""
        self._begin()
        topics = set(topics)
        for topic in topics:
            self._listeners[topic].add(listener)
        missed = self._notices - since.notices
        if not self._is_hearing or since.hearing != self._hearings or missed > len(self._kept):
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

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name="console-switchboard")

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except LAYER_AWAY as error:
                log.warning("no channel layer; consoles go on checking periodically", error=str(error))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                return  # a client of Redis that is cancelled may say that its connection broke
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _hear(self) -> None:
        layer: Any = get_channel_layer()
        channel = await layer.new_channel()
        try:
            await layer.group_add(GROUP, channel)
            self._hearings += 1
            self._is_hearing = True
            _tell(set().union(*self._listeners.values()), {"what": CHECK})
            while True:
                try:
                    async with asyncio.timeout(JOIN_AGAIN_SECONDS):
                        notice = await layer.receive(channel)
                except TimeoutError:
                    await layer.group_add(GROUP, channel)
                    continue
                self._notices += 1
                self._kept.append(notice)
                _tell(self._listeners.get(notice["topic"], ()), notice)
        finally:
            self._is_hearing = False
            with contextlib.suppress(*LAYER_AWAY, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await layer.group_discard(GROUP, channel)


def _tell(listeners: Iterable[Listener], notice: Mapping[str, Any]) -> None:
    """In a frame of its own: one that waits for the next notice would hold on to whom it told last."""
    for listener in tuple(listeners):
        listener.notice(notice)


_boards: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Switchboard] = weakref.WeakKeyDictionary()


def switchboard() -> Switchboard:
    """That of the running loop."""
    return _boards.setdefault(asyncio.get_running_loop(), Switchboard())
