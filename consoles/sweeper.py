"""Tidies up after processes that were killed."""

from __future__ import annotations

import asyncio
import contextlib

from common.threads import in_database_thread

from .services import sessions_sweep

SWEEP_SECONDS = 30.0


async def sweep_forever(stop: asyncio.Event) -> None:
    """Sweeps console sessions and tickets every half minute until `stop`."""
    while not stop.is_set():
        await in_database_thread(sessions_sweep)()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SWEEP_SECONDS)
