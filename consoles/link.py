"""The link from Eve to an agent's console: a websocket whose peer is verified before a byte is sent.

An asyncio protocol over the sans-IO :class:`websockets.client.ClientProtocol`. Its connection may have been made in advance
(:mod:`consoles.warm`), but it is opened for one console session and never reused; no header, path or query of the user travels on it. Once
it is open it waits: either its transport is taken (:meth:`AgentLink.take`), or its messages are fetched (:meth:`AgentLink.start`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlencode

import structlog
from eve_agent.wire import codec, paths
from eve_agent.wire.close import CloseCode
from eve_agent.wire.console import ConsoleRequest
from eve_agent.wire.errors import Problem
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from common.sentences import gettext as _
from hypervisors.client import clean_words
from hypervisors.errors import NotTrusted
from hypervisors.tls import AgentTls
from hypervisors.verified import Verified, connect_verified

from . import metrics
from .errors import DisplayRefused, HostUnreachable, LinkLost, NotAnswered

log = structlog.get_logger(__name__)

HIGH_WATER_BYTES = 256 * 1024
"""As much of the agent's bytes may wait for a slow viewer before reading from the agent stops."""
LOW_WATER_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_HEAD_BYTES = 16 * 1024
"""Of the handshake's answer. An agent's has a few hundred."""
DEAD_PEER_MILLISECONDS = 1500
"""A connection that was made in advance may be one of which a firewall, or a host that was switched off, knows nothing any more."""
CLOSE_SECONDS = 2.0
PING_SECONDS = 20.0
SILENCE_SECONDS = 45.0
"""A link on which nothing arrives for that long, pings notwithstanding, is dead."""


class AgentLink(asyncio.Protocol):
    """One websocket to ``/libvirt/domains/{uuid}/console`` of an agent. Make it with :func:`open_link`."""

    def __init__(self, uri: str) -> None:
        self._websocket = ClientProtocol(parse_uri(uri), max_size=MAX_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._has_head = False
        self._head = b""
        self._rest = b""
        self._is_started = False
        self._received: deque[bytes] = deque()
        self._received_bytes = 0
        self._reading_paused = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = asyncio.Event()
        self._alive_at = asyncio.get_running_loop().time()
        self._ping_timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------------------ what callers use

    @property
    def waiting_bytes(self) -> int:
        """What was received and not yet fetched."""
        return self._received_bytes

    async def opened(self) -> None:
        """Returns once the agent answered 101. Raises DisplayRefused or HostUnreachable."""
        await self._opened

    def take(self, protocol: asyncio.BaseProtocol) -> tuple[asyncio.Transport, bytes]:
        """The transport of an open link, and the frames that came already. From now on `protocol` gets what arrives.

        Raises:
            LinkLost: the agent ended it meanwhile.
        """
        if self._transport is None or self._closed.is_set() or self._transport.is_closing():
            raise self._loss()
        self._websocket.parser.close()  # it holds the websocket's state, which would stay until the collector comes
        self._transport.set_protocol(protocol)
        return self._transport, self._rest

    def start(self) -> None:
        """Lets messages come."""
        self._is_started = True
        self._ping_timer = asyncio.get_running_loop().call_later(PING_SECONDS, self._ping)
        self._resume_to_drain()
        rest, self._rest = self._rest, b""
        if rest:
            self._frames_received(rest)

    async def receive(self) -> bytes:
        """The next bytes of the display. Raises LinkLost at the end, once everything was received."""
        while not self._received:
            if self._closed.is_set():
                raise self._loss()
            self._readable.clear()
            await self._readable.wait()
        chunk = self._received.popleft()
        self._received_bytes -= len(chunk)
        if self._reading_paused and self._received_bytes <= LOW_WATER_BYTES and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return chunk

    async def send(self, data: bytes) -> None:
        """Sends the viewer's bytes, and waits while the agent does not take them. Raises LinkLost."""
        if self._websocket.state is not State.OPEN:
            raise self._loss()
        self._websocket.send_binary(data)
        self._flush()
        if not self._writable.is_set():
            await self._writable.wait()
            if self._closed.is_set():
                raise self._loss()

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Ends the link; returns within two seconds whatever the agent does."""
        if self._transport is None or self._closed.is_set():
            return
        if self._websocket.state is State.OPEN:
            self._websocket.send_close(code, reason)
            self._flush()
        self._resume_to_drain()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._closed.wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Ends the link at once."""
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The peer is verified: the handshake is sent. Nothing that was sent may be unacknowledged for long until it is answered."""
        self._transport = cast(asyncio.Transport, transport)
        _notice_dead_peer(self._transport, milliseconds=DEAD_PEER_MILLISECONDS)
        request = self._websocket.connect()
        request.headers[VERSION_HEADER] = str(CONTRACT_VERSION)
        self._websocket.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Bytes of the agent: the handshake's answer, then frames."""
        self._alive_at = asyncio.get_running_loop().time()
        if self._is_started:
            self._frames_received(data)
        elif self._opened.done():
            self._rest += data  # uvloop may read once more after it was told not to
        else:
            self._answer_received(data)

    def eof_received(self) -> bool:
        """The agent has no more to say."""
        if not self._has_head and not self._head:
            self._fail(NotAnswered(_("The host ended the connection.")))
        self._websocket.receive_eof()
        for event in self._websocket.events_received():
            if isinstance(event, Response):
                self._answered(event)
        if self._websocket.handshake_exc is not None:
            self._refused(self._websocket.handshake_exc)
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; whoever waits is woken."""
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        self._fail(NotAnswered(_("The host ended the connection.")))
        if self._websocket.state is not State.CLOSED:
            self._websocket.receive_eof()
        self._closed.set()
        self._readable.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """The agent does not take more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The agent takes more."""
        self._writable.set()

    # ------------------------------------------------------------------------------------------ inside

    def _answer_received(self, data: bytes) -> None:
        """Up to the end of a 101's head the sans-IO protocol reads; what follows is kept as it came. A refusal it reads whole."""
        if not self._has_head:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end and len(head) <= MAX_HEAD_BYTES:
                return
            self._has_head = True
            data, self._head = self._head, b""
            if end and head.startswith(b"HTTP/1.1 101 "):
                data, self._rest = head + end, rest
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Response):
                self._answered(event)
        self._flush()
        if self._websocket.handshake_exc is not None:
            self._refused(self._websocket.handshake_exc)
        elif self._opened.done() and self._transport is not None:
            _notice_dead_peer(self._transport, milliseconds=0)
            self._reading_paused = True
            self._transport.pause_reading()

    def _frames_received(self, data: bytes) -> None:
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.BINARY, Opcode.CONT):
                self._keep(bytes(event.data))
        self._flush()
        if self._websocket.state in (State.CLOSING, State.CLOSED):
            self._resume_to_drain()

    def _answered(self, response: Response) -> None:
        if self._websocket.handshake_exc is None and not self._opened.done():
            self._opened.set_result(None)

    def _refused(self, error: Exception) -> None:
        if isinstance(error, InvalidStatus):
            self._fail(_refusal(error.response))
        elif isinstance(error, InvalidHandshake | EOFError):
            self._fail(HostUnreachable(_("The host's answer makes no sense.")))
        else:
            self._fail(NotAnswered(_("The host ended the connection.")))
        self.abort()

    def _fail(self, error: Exception) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)
            self._opened.exception()  # whoever awaits gets it; if nobody does any more, that is no fault to report

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._received.append(data)
        self._received_bytes += len(data)
        self._readable.set()
        if self._received_bytes > HIGH_WATER_BYTES and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _ping(self) -> None:
        loop = asyncio.get_running_loop()
        if self._reading_paused:
            self._alive_at = loop.time()  # not reading is Eve's own choice, and says nothing of the peer
        if loop.time() - self._alive_at > SILENCE_SECONDS:
            self._websocket.fail(CloseCode.STALLED)
            self.abort()
            return
        if self._websocket.state is State.OPEN:
            self._websocket.send_ping(b"")
            self._flush()
            self._ping_timer = loop.call_later(PING_SECONDS, self._ping)

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)
            else:
                with contextlib.suppress(NotImplementedError):  # TLS has no half-close
                    self._transport.write_eof()
        if self._websocket.state is State.CLOSED or (
            self._websocket.state is State.CLOSING and self._websocket.close_rcvd is not None
        ):
            self._transport.close()

    def _resume_to_drain(self) -> None:
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()

    def _loss(self) -> LinkLost:
        if self._websocket.close_rcvd is not None:
            return LinkLost(self._websocket.close_rcvd.code, said=clean_words(self._websocket.close_rcvd.reason))
        if self._websocket.close_sent is not None:
            return LinkLost(self._websocket.close_sent.code, self._websocket.close_sent.reason)
        return LinkLost(CloseCode.HOST_AWAY, _("The connection to the host broke."))


async def open_link(
    trust: AgentTls,
    request: ConsoleRequest,
    *,
    domain: object,
    timeout_seconds: float,
    warm: Callable[[], Awaitable[Verified | None]] | None = None,
) -> AgentLink:
    """A link to the console that `request` names, on the agent that `trust` describes.

    Args:
        warm: gives a connection that was made in advance, or None. Where it turns out to be dead, a new one is made.

    Raises:
        HostUnreachable: no connection, no trusted peer, or no answer within `timeout_seconds`.
        DisplayRefused: the agent says why there is no display.
    """
    path = paths.DOMAIN_CONSOLE.format(uuid=domain)
    query = urlencode(cast(dict[str, object], codec.to_plain(request)))
    uri = f"wss://{trust.server_name}{path}?{query}"
    try:
        async with asyncio.timeout(timeout_seconds):
            if warm is not None and (ready := await warm()) is not None:
                with contextlib.suppress(NotAnswered):
                    link = await _link_over(ready, uri)
                    metrics.LINKS.labels("warm").inc()
                    return link
            link = await _link_over(await connect_verified(trust), uri)
            metrics.LINKS.labels("new").inc()
            return link
    except TimeoutError:
        raise HostUnreachable(
            _("The host did not answer within %(seconds)g s.") % {"seconds": timeout_seconds}
        ) from None
    except (NotTrusted, ssl.SSLError) as error:
        log.warning("agent not trusted", name=trust.name, why=str(error))
        raise HostUnreachable(_("What answers at the host's address is not the host that Eve knows.")) from error
    except OSError as error:
        log.info("agent not reached", name=trust.name, why=str(error))
        raise HostUnreachable(_("The host cannot be reached.")) from error


async def _link_over(connection: Verified, uri: str) -> AgentLink:
    link = AgentLink(uri)
    connection.hand_over(link)
    try:
        await link.opened()
    except asyncio.CancelledError:
        link.abort()
        raise
    return link


def _notice_dead_peer(transport: asyncio.Transport, *, milliseconds: int) -> None:
    """Has the kernel end the connection once sent bytes are unacknowledged for so long; 0: as long as it usually waits."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _refusal(response: Response) -> Exception:
    try:
        problem = codec.decode(Problem, bytes(response.body or b""))
    except codec.DecodeError:
        return HostUnreachable(_("The host's answer makes no sense."))
    return DisplayRefused(problem.code, clean_words(problem.message))
