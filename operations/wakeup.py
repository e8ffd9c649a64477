"""Tells the worker of this process at once that there is work; workers elsewhere look every second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

_waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()


def wake() -> None:
    """Wakes the workers of this process. From any thread."""
    for loop, event in tuple(_waiting):
        with contextlib.suppress(RuntimeError):  # its loop is closed already
            loop.call_soon_threadsafe(event.set)


@contextlib.contextmanager
def listening() -> Iterator[asyncio.Event]:
    """An event of the running loop that :func:`wake` sets."""
    entry = (asyncio.get_running_loop(), asyncio.Event())
    _waiting.add(entry)
    try:
        yield entry[1]
    finally:
        _waiting.discard(entry)
