"""A console request: the display opens first, so a refusal is an HTTP answer; then the connection changes hands."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from functools import partial

import structlog
from aiohttp import web

from eve_agent.errors import ActionRefused, BadRequest
from eve_agent.service.consoles import Consoles, ConsoleSession
from eve_agent.wire.codec import DecodeError, from_plain
from eve_agent.wire.console import ConsoleRequest
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER

from .http import Call
from .relay import DisplaySide, Ending, Relay, ViewerSide
from .websocket import accept_key

_NUMBERS = ("idle_seconds", "total_seconds")
_MAX_SECONDS = 7 * 24 * 3600

log = structlog.get_logger(__name__)


class ConsoleEndpoint:
    """``GET /libvirt/domains/{uuid}/console``."""

    def __init__(self, consoles: Consoles, *, observe_setup: Callable[[float], None]) -> None:
        """`observe_setup` is told how many seconds each took from its request to its 101."""
        self._consoles = consoles
        self._observe_setup = observe_setup
        self._viewers: dict[ConsoleSession, asyncio.Transport] = {}

    @property
    def connections(self) -> list[asyncio.Transport]:
        """Those of open consoles: the HTTP server knows nothing of them any more."""
        return list(self._viewers.values())

    async def __call__(self, call: Call) -> web.StreamResponse:
        """Opens the console and returns: it goes on without HTTP. Raises AgentError for what is refused."""
        started_at = time.monotonic()
        accept = accept_key(call.request.headers)
        wanted = parse_query(call.request)
        session, display = await self._consoles.open(call.ids["uuid"], wanted)
        relay = Relay(session, self._consoles.pace, partial(self._ended, session, started_at))
        try:
            await _connect(relay, display)
            response = await self._upgrade(call.request, accept)
            self._observe_setup(time.monotonic() - started_at)
            _log(session, "console_opened")
            self._take_over(call.request, session, relay)
        except BaseException:
            relay.abort()
            raise
        return response

    def _ended(self, session: ConsoleSession, started_at: float, ending: Ending) -> None:
        self._viewers.pop(session, None)
        self._consoles.closed(session, ending.reason)
        _log(
            session,
            "console_ended",
            reason=ending.reason,
            detail=ending.detail,
            seconds=round(time.monotonic() - started_at, 1),
            bytes_to_viewer=session.bytes_to_viewer,
            bytes_from_viewer=session.bytes_from_viewer,
        )

    def _take_over(self, request: web.BaseRequest, session: ConsoleSession, relay: Relay) -> None:
        """Makes the connection the relay's, and starts that; where it is gone already, ends it.

        To the HTTP server the connection is lost from here on: it lets go of all that it keeps for one.
        """
        http = request.protocol
        transport, http.transport = http.transport, None
        if transport is None or transport.is_closing():
            relay.viewer_lost()
            return
        tail = _Tail()
        http.set_parser(tail)  # type: ignore[arg-type] # it needs feed_data and feed_eof only
        transport.set_protocol(ViewerSide(relay))
        http.connection_lost(None)
        self._viewers[session] = transport
        relay.start(transport, tail.data)

    @staticmethod
    async def _upgrade(request: web.BaseRequest, accept: str) -> web.StreamResponse:
        response = web.StreamResponse(status=101)
        response.headers.update(
            {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Accept": accept,
                VERSION_HEADER: str(CONTRACT_VERSION),
            }
        )
        response.force_close()
        await response.prepare(request)
        return response


def parse_query(request: web.BaseRequest) -> ConsoleRequest:
    """The :class:`ConsoleRequest` in the query. Raises BadRequest."""
    plain: dict[str, object] = dict(request.query)
    for name in _NUMBERS:
        text = request.query.get(name)
        if text is None:
            continue
        if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > _MAX_SECONDS:
            raise BadRequest(f"{name} has to be a number of seconds from 0 to {_MAX_SECONDS}")
        plain[name] = int(text)
    if "force" in plain:
        plain["force"] = str(plain["force"]).lower() == "true"
    try:
        return from_plain(ConsoleRequest, plain)
    except DecodeError as error:
        raise BadRequest(f"the console request is not understood: {error}") from error


class _Tail:
    """Collects what aiohttp received behind the request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """As aiohttp's websocket reader."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """As aiohttp's websocket reader."""


async def _connect(relay: Relay, display: socket.socket) -> None:
    try:
        await asyncio.get_running_loop().create_connection(lambda: DisplaySide(relay), sock=display)
    except OSError as error:
        display.close()
        raise ActionRefused(f"the display closed while it was being opened: {error}") from error


def _log(session: ConsoleSession, event: str, **fields: object) -> None:
    log.info(
        event,
        session=str(session.session),
        domain=str(session.domain_uuid),
        mode=session.filter.mode.value,
        kind=session.kind.value,
        **fields,
    )
