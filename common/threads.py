"""Database work off the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections, connections

P = ParamSpec("P")
R = TypeVar("R")


class DatabaseThreads(Executor):
    """A few threads that keep their database connections for a while; the one that has worked last is asked first.

    Django's default under ASGI is a connection for each piece of work, and opening one costs more than most queries do. Connections
    are checked before they are used again (``CONN_HEALTH_CHECKS``). A connection whose turn comes seldom has to
    read anew what others wrote meanwhile, and taken by turns, all that a crowd once needed would go on doing so.
    """

    def __init__(self, max_workers: int, name: str) -> None:
        self._lock = threading.Lock()
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix=f"{name}-{number}", initializer=_keep_connections)
            for number in range(max_workers)
        ]
        self._free = self._threads[::-1]
        self._waiting: deque[_Work] = deque()

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As :class:`concurrent.futures.Executor`."""
        work = _Work(functools.partial(function, *args, **kwargs))
        with self._lock:
            self._waiting.append(work)
            thread = self._free.pop() if self._free else None
        if thread is not None:
            thread.submit(self._work, thread)
        return work.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As :class:`concurrent.futures.Executor`."""
        with self._lock:
            if cancel_futures:
                for work in self._waiting:
                    work.future.cancel()
        for thread in self._threads:
            thread.shutdown(wait, cancel_futures=cancel_futures)

    def _work(self, thread: ThreadPoolExecutor) -> None:
        while (work := self._next(thread)) is not None:
            work.run()

    def _next(self, thread: ThreadPoolExecutor) -> _Work | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._free.append(thread)
            return None


class _Work:
    """A call, and what comes of it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self.future: Future[Any] = Future()

    def run(self) -> None:
        """Calls, unless it was cancelled meanwhile."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self._call())
        except BaseException as error:
            self.future.set_exception(error)
            del self  # which the error would hold, and so itself


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
