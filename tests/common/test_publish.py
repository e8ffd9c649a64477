"""What is published arrives, from whichever thread, on whichever layer the settings name."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from channels.layers import get_channel_layer
from django.db import transaction

from common.publish import bind_server_loop, publish, publish_on_commit


async def _received(channel: str, seconds: float = 2) -> dict[str, object]:
    layer = get_channel_layer()
    assert layer is not None
    return await asyncio.wait_for(layer.receive(channel), seconds)


async def _subscribed(group: str) -> str:
    layer = get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    return channel


async def test_from_the_servers_own_loop() -> None:
    bind_server_loop(asyncio.get_running_loop())
    channel = await _subscribed("common.own")
    publish("common.own", {"type": "test.message", "n": 1})
    assert (await _received(channel))["n"] == 1


async def test_from_a_thread_it_arrives_at_once() -> None:
    bind_server_loop(asyncio.get_running_loop())
    channel = await _subscribed("common.thread")
    started = time.monotonic()
    threading.Thread(target=publish, args=("common.thread", {"type": "test.message", "n": 2})).start()
    assert (await _received(channel))["n"] == 2
    assert time.monotonic() - started < 1


@pytest.mark.django_db(transaction=True)
async def test_on_commit_and_not_on_rollback() -> None:
    bind_server_loop(asyncio.get_running_loop())
    channel = await _subscribed("common.commit")

    def change() -> None:
        try:
            with transaction.atomic():
                publish_on_commit("common.commit", {"type": "test.message", "n": 3})
                raise ValueError
        except ValueError:
            pass
        with transaction.atomic():
            publish_on_commit("common.commit", {"type": "test.message", "n": 4})

    await asyncio.to_thread(change)
    assert (await _received(channel))["n"] == 4
