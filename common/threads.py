"""Database work off the event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from channels.db import database_sync_to_async
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
    and every revocation.
    """
    return database_sync_to_async(function, thread_sensitive=False, executor=_pool)
