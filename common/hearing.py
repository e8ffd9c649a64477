"""Hears a group of the channel layer, once for all of a process that want to know."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from channels.layers import get_channel_layer

from .publish import LAYER_AWAY

log = structlog.get_logger(__name__)

LISTEN_AGAIN_SECONDS = 5.0
"""After the channel layer went away."""
JOIN_AGAIN_SECONDS = 3600.0
"""The channel layer forgets who is in a group after a day."""
LEAVE_SECONDS = 2.0


class Hearing:
    """Of one group, for as long as the loop runs.

    Args:
        group: its name.
        begun: is called each time that it begins to hear: until then, something may have been missed. Does not wait.
        heard: gets each message. Does not wait.
    """

    def __init__(self, group: str, *, begun: Callable[[], None], heard: Callable[[Mapping[str, Any]], None]) -> None:
        self._group = group
        self._begun = begun
        self._heard = heard
        self._task: asyncio.Task[None] | None = None
        self.is_on = False
        """Whether it hears, just now."""

    def begin(self) -> None:
        """Has it hear from now on, on the running loop; a second time does nothing."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name=f"hearing-{self._group}")

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except LAYER_AWAY as error:
                log.warning("no channel layer to hear", group=self._group, error=str(error))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                return  # a client of Redis that is cancelled may say that its connection broke
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _hear(self) -> None:
        layer: Any = get_channel_layer()
        channel = await layer.new_channel()
        try:
            await layer.group_add(self._group, channel)
            self.is_on = True
            self._begun()
            while True:
                try:
                    async with asyncio.timeout(JOIN_AGAIN_SECONDS):
                        message = await layer.receive(channel)
                except TimeoutError:
                    await layer.group_add(self._group, channel)
                    continue
                self._heard(message)
        finally:
            self.is_on = False
            with contextlib.suppress(*LAYER_AWAY, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await layer.group_discard(self._group, channel)
