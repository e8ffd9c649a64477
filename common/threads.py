"""Database work for websockets, off the event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from channels.db import database_sync_to_async

P = ParamSpec("P")
R = TypeVar("R")

_pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="websocket-database")


def in_database_thread(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """`function` as a coroutine, in one of a few threads that all websockets share.

    Channels' own default is a single thread for the whole process: one that waits for a lock would hold up every handshake
    and every revocation.
    """
    return database_sync_to_async(function, thread_sensitive=False, executor=_pool)
