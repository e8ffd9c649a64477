"""Remembers, once for all live websockets of a process, when each group was told something last: whether a page that begins to listen has missed anything."""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from common.hearing import Hearing

from .live import CHANGES

KEPT_SECONDS = 600.0
"""A page that was made longer ago is taken to have missed something."""
SLACK_SECONDS = 0.5
"""As far may the clocks of two processes be apart."""


class Changes:
    """One for each event loop: :func:`changes`. Times are seconds since 1970."""

    def __init__(self) -> None:
        self._hearing = Hearing(CHANGES, begun=self._begun, heard=self._heard)
        self._hears_since = math.inf
        self._told: dict[str, float] = {}
        """When, by group; the latest last."""

    def begin(self) -> None:
        """Has it hear, from now on."""
        self._hearing.begin()

    def may_have_missed(self, groups: Iterable[str], *, since: float) -> bool:
        """Whether somebody who belongs to `groups` now may have been told something between `since` and now."""
        self.begin()
        if not self._hearing.is_on:
            return True
        earliest = since - SLACK_SECONDS
        if earliest < max(self._hears_since, time.time() - KEPT_SECONDS):
            return True
        return any(self._told.get(group, 0) >= earliest for group in groups)

    def _begun(self) -> None:
        self._hears_since = time.time()
        self._told.clear()

    def _heard(self, message: Mapping[str, Any]) -> None:
        now = time.time()
        for group in message["groups"]:
            self._told.pop(group, None)
            self._told[group] = now
        while self._told[oldest := next(iter(self._told))] < now - KEPT_SECONDS:
            del self._told[oldest]


_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Changes] = weakref.WeakKeyDictionary()


def changes() -> Changes:
    """Those that the running loop hears of."""
    return _by_loop.setdefault(asyncio.get_running_loop(), Changes())
