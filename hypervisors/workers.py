"""Threads for what the watcher asks of the database and of agents: few, whatever the number of hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from common.threads import DatabaseThreads, with_connections

HOST_THREADS = 10
SLOW_HOSTS = 3
"""As many threads at most wait for hosts that were slow the last time."""
DATABASE_THREADS = 2
SAMPLE_THREADS = 4
"""A host that is slow to count holds up the counting of others only."""

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """Three pools: what waits for hosts never delays what only writes, and what counts delays neither."""

    def __init__(self) -> None:
        self._hosts = ThreadPoolExecutor(HOST_THREADS, thread_name_prefix="eve-host")
        self._samples = DatabaseThreads(SAMPLE_THREADS, "eve-sample")
        self._database = DatabaseThreads(DATABASE_THREADS, "eve-watch")
        self._slow = asyncio.Semaphore(SLOW_HOSTS)
        self._running: set[Future[Any]] = set()

    async def ask_host(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what talks to an agent."""
        return await self._run(self._hosts, partial(function, *args, **kwargs))

    async def ask_slow_host(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As :meth:`ask_host`, for a host that was slow or wrong the last time: such hosts wait for one another."""
        async with self._slow:
            return await self._run(self._hosts, partial(function, *args, **kwargs))

    async def sample_host(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As :meth:`ask_host`, for the counters of agents."""
        return await self._run(self._samples, partial(function, *args, **kwargs))

    async def write(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what only uses the database and files."""
        return await self._run(self._database, partial(function, *args, **kwargs))

    async def close(self, *, seconds: float) -> None:
        """Takes no more work, and waits that long at most for what runs."""
        self._hosts.shutdown(wait=False, cancel_futures=True)
        self._samples.shutdown(wait=False, cancel_futures=True)
        self._database.shutdown(wait=False, cancel_futures=True)
        if running := [asyncio.wrap_future(future) for future in self._running.copy()]:
            await asyncio.wait(running, timeout=seconds)

    async def _run(self, pool: Executor, function: Callable[[], T]) -> T:
        future = pool.submit(with_connections, function)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(future)
