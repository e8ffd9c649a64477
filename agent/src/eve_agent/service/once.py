"""What must not be done twice: whose answer was lost on its way asks again, and gets that answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MAX_REMEMBERED = 1000

T = TypeVar("T")


@dataclass(slots=True)
class _Doing(Generic[T]):
    """One thing, at most once at a time. `results` has one, once it was done."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    results: list[T] = field(default_factory=list)


class Once(Generic[T]):
    """The newest :data:`MAX_REMEMBERED` things that were done, by their keys. Used on the event loop's thread."""

    def __init__(self) -> None:
        self._doings: dict[Hashable, _Doing[T]] = {}

    async def do(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns, or what it returned for that key before. One that raises was not done."""
        doing = self._doings.setdefault(key, _Doing())
        async with doing.lock:
            if not doing.results:
                doing.results.append(await work())
        self._forget()
        return doing.results[0]

    def _forget(self) -> None:
        surplus = len(self._doings) - MAX_REMEMBERED
        for key in list(self._doings)[: max(0, surplus)]:
            if not self._doings[key].lock.locked():
                del self._doings[key]
