"""Tidies up what people began and left."""

from __future__ import annotations

import asyncio
import contextlib

from common.threads import in_database_thread

from .services import uploads_sweep

SWEEP_SECONDS = 600.0


async def sweep_forever(stop: asyncio.Event) -> None:
    """Gives up abandoned uploads every ten minutes until `stop`."""
    while not stop.is_set():
        await in_database_thread(uploads_sweep)()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SWEEP_SECONDS)
