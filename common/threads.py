"""Database work off the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections, connections

P = ParamSpec("P")
R = TypeVar("R")


class DatabaseThreads(ThreadPoolExecutor):
    """A few threads that keep their database connections for a while.

    Django's default under ASGI is a connection for each piece of work, and opening one costs more than most queries do. Connections
    are checked before they are used again (``CONN_HEALTH_CHECKS``).
    """

    def __init__(self, max_workers: int, name: str) -> None:
        super().__init__(max_workers, thread_name_prefix=name, initializer=_keep_connections)


def with_connections(function: Callable[[], R]) -> R:
    """Runs `function` in this thread, and leaves no connection behind that is broken or has served its time."""
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()


def _keep_connections() -> None:
    for connection in connections.all():  # this thread's own
        connection.settings_dict = {
            **connection.settings_dict,
            "CONN_MAX_AGE": settings.THREADS_KEEP_CONNECTIONS_SECONDS,
            "CONN_HEALTH_CHECKS": True,
        }


_pool = DatabaseThreads(8, "websocket-database")


def in_database_thread(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """`function` as a coroutine, in one of a few threads that all websockets share.

    Channels' own default is a single thread for the whole process: one that waits for a lock would hold up every handshake
    and every revocation. Its ``database_sync_to_async`` can be given other threads, but takes 0.2 ms more for each call.
    """

    @functools.wraps(function)
    async def in_thread(*args: P.args, **kwargs: P.kwargs) -> R:
        work = functools.partial(function, *args, **kwargs)
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(_pool, context.run, with_connections, work)

    return in_thread
