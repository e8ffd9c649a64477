"""What lives as long as the server: the loop for publishing, sweepers, what takes pictures and, in one-process mode, watcher, worker, courier."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from django.conf import settings

from common.publish import bind_server_loop

from .metrics import watch_tasks
from .preload import preload

log = structlog.get_logger(__name__)

Task = Callable[[asyncio.Event], Awaitable[None]]

STOP_SECONDS = 5.0
RESTART_SECONDS = 2.0


class Lifespan:
    """Answers the server's lifespan messages; everything else goes to the application inside."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self._bound: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves one connection, or the server's life."""
        loop = asyncio.get_running_loop()
        if self._bound is not loop:
            bind_server_loop(loop)
            watch_tasks(loop)
            self._bound = loop
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self.application(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(_keep_running(task, stop), name=task.__module__) for task in _background_tasks()]
        await receive()
        _settle_memory()
        await send({"type": "lifespan.startup.complete"})
        loading = asyncio.create_task(asyncio.to_thread(_load_the_rest))
        await receive()
        stop.set()
        await loading
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await send({"type": "lifespan.shutdown.complete"})


def _settle_memory() -> None:
    """What is there at the start stays: the collector need not go through it again and again, with all consoles waiting."""
    gc.collect()
    gc.freeze()


def _load_the_rest() -> None:
    """Spares the first visitors the wait for it, and the collector the walk through it, too. Nothing is collected: consoles may be back already."""
    try:
        preload()
    except Exception:
        log.exception("could not load ahead")
    gc.freeze()


def _background_tasks() -> list[Task]:
    from consoles.live import finish_when_stopped  # noqa: PLC0415  (the apps are loaded first)
    from consoles.photographer import take_forever  # noqa: PLC0415
    from consoles.sweeper import sweep_forever  # noqa: PLC0415
    from consoles.warm import close_when_stopped  # noqa: PLC0415
    from hypervisors.watcher import watch_forever  # noqa: PLC0415
    from notifications.courier import deliver_forever  # noqa: PLC0415
    from operations.worker import work_forever  # noqa: PLC0415
    from vms.sweeper import sweep_forever as sweep_uploads_forever  # noqa: PLC0415

    ours: list[Task] = [sweep_forever, sweep_uploads_forever, take_forever, close_when_stopped, finish_when_stopped]
    return [*ours, watch_forever, work_forever, deliver_forever] if settings.EMBEDDED else ours


async def _keep_running(task: Task, stop: asyncio.Event) -> None:
    """Runs `task` until `stop`, again after a fault: a host's nonsense must not end the watching of all others."""
    while not stop.is_set():
        try:
            await task(stop)
        except Exception:
            log.exception("background task failed", task=task.__module__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RESTART_SECONDS)
