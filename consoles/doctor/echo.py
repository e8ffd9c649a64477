"""The websocket that the doctor tries: it says one word first, as a display does, and gives back what it is sent."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from eve_agent.wire.close import CloseCode

from accounts.sessions import session_user
from common.arrival import Arrival
from common.origins import origin_is_good
from common.threads import in_database_thread
from consoles.selectors import vm_for_console

from .way_in import REFUSED_BUSY, REFUSED_ORIGIN, REFUSED_OTHER, handshake_note, probe_belongs_to

log = structlog.get_logger(__name__)

SUBPROTOCOL = "eve.doctor"
FIRST_BYTES = b"EVE 001\n"
"""Sent unasked, as RFB's version is."""
MOST_SECONDS = 120
MOST_BYTES = 512 * 1024
"""That one of them gives back in all."""
MOST_MESSAGE_BYTES = 64 * 1024
SOCKETS_PER_USER = 6

_open_sockets: Counter[uuid.UUID] = Counter()
"""How many of these websockets each user has open in this process; the server's loop alone touches it."""


class EchoConsumer(AsyncWebsocketConsumer):
    """For who is signed in, has begun a test, and may open that VM's console; with an Origin of Eve's own.

    It reaches nothing: neither host nor VM. Bounded in bytes, time and number; text, or more than it takes, ends it with 1009.
    """

    channel_layer_alias = ""
    _user_id: uuid.UUID | None = None
    """Whose count it is part of."""
    _end: asyncio.TimerHandle | None = None
    _given_back_bytes = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves the websocket; however that ends, it counts no more."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stop()

    async def dispatch(self, message: Any) -> None:
        """Straight to the handler: nothing of it but the handshake asks the database, and that does so in a thread of ours."""
        handlers: dict[str, Callable[[Any], Awaitable[None]]] = {
            "websocket.connect": self.websocket_connect,
            "websocket.receive": self.websocket_receive,
            "websocket.disconnect": self.websocket_disconnect,
        }
        await handlers[message["type"]](message)

    async def connect(self) -> None:
        """Refuses the handshake, and notes why for the page to ask; or says the first word."""
        user_id = await in_database_thread(admit)(self.scope)
        if user_id is None or not self._count_in(user_id):
            if user_id is not None:
                await in_database_thread(note)(self.scope, REFUSED_BUSY)
            await self.close()
            return
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in self.scope["subprotocols"] else None)
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(MOST_SECONDS, lambda: loop.create_task(self.close(code=CloseCode.TOTAL_LIMIT)))
        await self.send(bytes_data=FIRST_BYTES)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Gives it back."""
        data = bytes_data or b""
        self._given_back_bytes += len(data)
        if not data or len(data) > MOST_MESSAGE_BYTES or self._given_back_bytes > MOST_BYTES:
            await self.close(code=1009)
            return
        await self.send(bytes_data=data)

    async def disconnect(self, code: int) -> None:
        """The page is gone."""
        self._stop()

    def _count_in(self, user_id: uuid.UUID) -> bool:
        if _open_sockets[user_id] >= SOCKETS_PER_USER:
            return False
        self._user_id = user_id
        _open_sockets[user_id] += 1
        return True

    def _stop(self) -> None:
        if self._end is not None:
            self._end.cancel()
        if self._user_id is not None:
            _open_sockets[self._user_id] -= 1
            if not _open_sockets[self._user_id]:
                del _open_sockets[self._user_id]
            self._user_id = None


def admit(scope: Any) -> uuid.UUID | None:
    """Whose test the handshake belongs to; None for nobody's. Either way the test's page can ask how it arrived. In a thread."""
    if not origin_is_good(scope["headers"], is_required=True):
        note(scope, REFUSED_ORIGIN)
        return None
    user = session_user(scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME, ""))
    probe, vm_id = probe_of(scope), scope["url_route"]["kwargs"]["vm_id"]
    if user is None or probe is None or not probe_belongs_to(probe, user) or vm_for_console(user, vm_id) is None:
        note(scope, REFUSED_OTHER)
        return None
    note(scope, "")
    return user.pk


def note(scope: Any, refused: str) -> None:
    """Keeps how it arrived, for the page."""
    probe = probe_of(scope)
    if probe is not None:
        handshake_note(probe, Arrival.of(scope), refused=refused)
    if refused:
        log.info("doctor's websocket refused", why=refused)


def probe_of(scope: Any) -> uuid.UUID | None:
    """The test that the handshake belongs to, as it says."""
    return probe_in(scope.get("query_string", b"").decode("ascii", "replace"))


def probe_in(query: str) -> uuid.UUID | None:
    """The test that the query of an address names."""
    try:
        return uuid.UUID(parse_qs(query, max_num_fields=16).get("probe", [""])[0])
    except ValueError:
        return None
