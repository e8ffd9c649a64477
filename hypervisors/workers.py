"""Threads for what the watcher asks of the database and of agents: few, whatever the number of hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

HOST_THREADS = 10
SLOW_HOSTS = 3
"""As many threads at most wait for hosts that were slow the last time."""
DATABASE_THREADS = 2

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """Two pools: what waits for hosts never delays what only writes."""

    def __init__(self) -> None:
        self._hosts = ThreadPoolExecutor(HOST_THREADS, thread_name_prefix="eve-host")
        self._database = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="eve-watch")
        self._slow = asyncio.Semaphore(SLOW_HOSTS)

    async def ask_host(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what talks to an agent."""
        return await _run(self._hosts, partial(function, *args, **kwargs))

    async def ask_slow_host(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As :meth:`ask_host`, for a host that was slow or wrong the last time: such hosts wait for one another."""
        async with self._slow:
            return await _run(self._hosts, partial(function, *args, **kwargs))

    async def write(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what only uses the database and files."""
        return await _run(self._database, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Takes no more work; what runs ends by itself."""
        self._hosts.shutdown(wait=False, cancel_futures=True)
        self._database.shutdown(wait=False, cancel_futures=True)


async def _run(pool: ThreadPoolExecutor, function: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, _with_connections, function)


def _with_connections(function: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()
