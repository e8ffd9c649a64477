"""Tidies up after processes that were killed."""

from __future__ import annotations

import asyncio
import contextlib

from common.threads import in_database_thread

from .models import Typing
from .services import sessions_sweep
from .typings import typings_look

SWEEP_SECONDS = 30.0


async def sweep_forever(stop: asyncio.Event) -> None:
    """Sweeps console sessions, tickets and typings every half minute until `stop`."""
    while not stop.is_set():
        await in_database_thread(sessions_sweep)()
        await in_database_thread(typings_look)(Typing.objects.all())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SWEEP_SECONDS)
