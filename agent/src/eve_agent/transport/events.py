"""The websocket ``/events``: what the driver tells, to all who listen, never more than :data:`MAX_WAITING` for one."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

from eve_agent.driver.base import Driver
from eve_agent.wire import codec
from eve_agent.wire.events import Event, EventKind
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER

from .http import Call
from .websocket import accept_key

MAX_WAITING = 1000
HEARTBEAT_SECONDS = 20.0
MAX_MESSAGE_BYTES = 4096


class Mailbox:
    """Events that wait for one listener. When it is full they are dropped, and OVERFLOW tells so."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()

    def put(self, event: Event) -> None:
        """Adds an event; never blocks."""
        if len(self._events) >= MAX_WAITING:
            self._events.clear()
            event = Event(EventKind.OVERFLOW)
        self._events.append(event)
        self._arrived.set()

    async def get(self) -> Event:
        """The next event."""
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()


class EventsEndpoint:
    """``GET /events``."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._open: set[web.WebSocketResponse] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def __call__(self, call: Call) -> web.StreamResponse:
        """Sends events until the listener leaves. Raises BadRequest where no websocket is asked for."""
        accept_key(call.request.headers)
        websocket = web.WebSocketResponse(
            compress=False, heartbeat=HEARTBEAT_SECONDS, max_msg_size=MAX_MESSAGE_BYTES, timeout=2.0
        )
        websocket.headers[VERSION_HEADER] = str(CONTRACT_VERSION)
        mailbox = Mailbox()
        unsubscribe = self._driver.subscribe(mailbox.put)
        sender: asyncio.Task[None] | None = None
        try:
            await websocket.prepare(call.request)
            self._open.add(websocket)
            sender = asyncio.create_task(self._send(websocket, mailbox))
            await self._listen(websocket)
        finally:
            unsubscribe()
            self._open.discard(websocket)
            if sender is not None:
                sender.cancel()
                with suppress(asyncio.CancelledError):
                    await sender
        return websocket

    async def close(self) -> None:
        """Ends all, telling them to come back."""
        closes = [websocket.close(code=WSCloseCode.SERVICE_RESTART) for websocket in self._open]
        await asyncio.gather(*closes, return_exceptions=True)

    async def _send(self, websocket: web.WebSocketResponse, mailbox: Mailbox) -> None:
        event = Event(EventKind.HELLO, contract_version=CONTRACT_VERSION)
        with suppress(ConnectionError):
            while True:
                await websocket.send_str(codec.encode(event).decode())
                event = await mailbox.get()

    @staticmethod
    async def _listen(websocket: web.WebSocketResponse) -> None:
        """A listener has nothing to say: its first message ends it."""
        message = await websocket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await websocket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"nothing is expected here")
