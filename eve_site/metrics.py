"""What Prometheus is told of the server itself at ``/metrics``."""

from __future__ import annotations

import asyncio

from prometheus_client import Gauge

TASKS = Gauge("eve_tasks", "Asyncio tasks of the server's loop.")


def watch_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Counts the tasks of `loop` from now on, whenever somebody asks."""
    TASKS.set_function(lambda: len(asyncio.all_tasks(loop)))
