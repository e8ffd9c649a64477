"""The websocket of events."""

from __future__ import annotations

import asyncio

import aiohttp
from eve_agent.transport.events import MAX_WAITING
from eve_agent.wire import paths
from eve_agent.wire.codec import decode
from eve_agent.wire.events import Event, EventKind

from tests.agent.stub import DOMAIN
from tests.agent.transport.conftest import Agent


async def next_event(websocket: aiohttp.ClientWebSocketResponse) -> Event:
    return decode(Event, await websocket.receive_str(timeout=5))


async def test_hello_then_what_happens(agent: Agent):
    async with agent.session() as eve, eve.ws_connect(paths.EVENTS, compress=15) as first:
        assert first._response.headers["Eve-Contract"] == "2"
        assert "Sec-WebSocket-Extensions" not in first._response.headers
        assert await next_event(first) == Event(EventKind.HELLO, contract_version=2)
        async with eve.ws_connect(paths.EVENTS) as second:
            await next_event(second)
            event = Event(EventKind.DOMAIN_REMOVED, domain_uuid=DOMAIN)
            agent.driver.tell(event)
            assert await next_event(first) == event
            assert await next_event(second) == event
    await asyncio.sleep(0.1)
    assert agent.driver.listeners == []


async def test_a_slow_listener_is_told_that_it_missed_some(agent: Agent):
    async with agent.session() as eve, eve.ws_connect(paths.EVENTS) as websocket:
        await next_event(websocket)
        for _ in range(MAX_WAITING + 5):
            agent.driver.tell(Event(EventKind.DOMAIN_REMOVED, domain_uuid=DOMAIN))
        kinds = [(await next_event(websocket)).kind for _ in range(5)]
        assert kinds == [EventKind.OVERFLOW] + [EventKind.DOMAIN_REMOVED] * 4


async def test_a_listener_who_talks_is_cut_off(agent: Agent):
    async with agent.session() as eve, eve.ws_connect(paths.EVENTS) as websocket:
        await next_event(websocket)
        await websocket.send_str("hello?")
        assert (await websocket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert websocket.close_code == 1003


async def test_shutdown_tells_listeners_to_come_back(agent: Agent):
    async with agent.session() as eve, eve.ws_connect(paths.EVENTS) as websocket:
        await next_event(websocket)
        closing = asyncio.create_task(agent.server.close())
        assert (await websocket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert websocket.close_code == 1012
        await asyncio.wait_for(closing, 5)
