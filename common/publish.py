"""The one way to what reaches browsers.

A ``group_send`` to the in-memory layer from a worker thread arrives only when the server's loop next wakes (4.5 s were
measured), so everything is handed to that loop. What a full channel drops is made good by its reader: consumers
re-check and pages catch up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

LAYER_AWAY = (OSError, RedisError)
"""What the channel layer raises while its Redis is away."""

_server_loop: asyncio.AbstractEventLoop | None = None


def bind_server_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Names the loop that serves websockets in this process."""
    global _server_loop  # noqa: PLW0603  (one server a process)
    _server_loop = loop


def publish(group: str, message: Mapping[str, Any]) -> None:
    """Sends `message` (its ``type`` names the consumers' handler) to every consumer in `group`, from any thread."""
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        if _server_loop is None or not _server_loop.is_running():
            async_to_sync(layer.group_send)(group, dict(message))
            return
        _server_loop.call_soon_threadsafe(_send, layer, group, dict(message))
    except LAYER_AWAY as error:
        log.warning("publish failed", group=group, error=str(error))


def publish_on_commit(group: str, message: Mapping[str, Any]) -> None:
    """:func:`publish` once the transaction is committed; not at all if it is rolled back."""
    transaction.on_commit(partial(publish, group, message))


_pending: set[asyncio.Task[None]] = set()


def _send(layer: Any, group: str, message: dict[str, Any]) -> None:
    """On the server's loop."""
    task = asyncio.create_task(layer.group_send(group, message))
    _pending.add(task)
    task.add_done_callback(_finished)


def _finished(task: asyncio.Task[None]) -> None:
    _pending.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("publish failed", error=str(error))
