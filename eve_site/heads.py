"""How long a request's head may be, and how long it may take: uvicorn's httptools takes any head, and waits for ever.

So it does for a peer that does not take its answer. And what becomes of a connection when the server stops: uvicorn closes it under a
request that is on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger(__name__)

MAX_OVERHEAD_BYTES = 64 * 1024
"""What one request may have beside its body: request line, headers, chunks' borders, trailers. Where requests are sent without
waiting for answers, those that are read at once count together."""
HEAD_SECONDS = 20.0
"""From the connection, or a head's first byte, to the head's end. Between two requests uvicorn's own limit holds."""
UNTAKEN_SECONDS = 60.0
"""How long a peer may take nothing of what waits for it, on websockets too. The kernel counts, also once the connection is being closed."""
LAST_REQUEST_SECONDS = 0.3
"""How long a connection without a request may bring one more when the server stops. Well below systemd's and the server's own patience."""
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_STOPPING = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol; a request that goes beyond a limit ends with its connection."""

    _overhead_bytes = 0
    _read_bytes = 0
    """Of the present read, less its bodies."""
    _head_timer: asyncio.TimerHandle | None = None
    _tail = b""
    """The last four bytes."""
    _is_stopping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """As asyncio."""
        super().connection_made(transport)
        with contextlib.suppress(OSError):  # it is no TCP
            transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNTAKEN_SECONDS * 1000)
            )
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As asyncio."""
        self._overhead_bytes += len(data)
        self._read_bytes = len(data)
        self._tail = (self._tail + data[-4:])[-4:]
        super().data_received(data)
        if self._overhead_bytes > MAX_OVERHEAD_BYTES:
            self._refuse("too long")

    def on_message_begin(self) -> None:
        """As httptools."""
        super().on_message_begin()
        self._overhead_bytes = self._read_bytes
        self._await_head()

    def on_headers_complete(self) -> None:
        """As httptools."""
        self._head_came()
        super().on_headers_complete()
        if self._is_stopping and self.cycle is not None:  # none of a websocket
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """As httptools."""
        self._overhead_bytes -= len(body)
        self._read_bytes -= len(body)
        super().on_body(body)

    def handle_websocket_upgrade(self) -> None:
        """As uvicorn, which would drop without a word what was sent behind the handshake."""
        if self._is_stopping:
            # One that has been used before may be closed at any time, and a proxy then opens another, which waits for the next Eve.
            if self.cycle is None:
                self.transport.write(_STOPPING)
            self.transport.close()
        elif self._tail == b"\r\n\r\n":
            super().handle_websocket_upgrade()
            self.parser = None  # type: ignore[assignment] # which holds this, and would until the collector comes; it parses nothing more
        else:
            self._head_came()
            self._refuse("more than a handshake")

    def shutdown(self) -> None:
        """As uvicorn, but late enough for a request that whoever is before Eve has sent already: it could not be sent again if it changes something."""
        self._is_stopping = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_REQUEST_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def _await_head(self) -> None:
        self._head_came()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, "too slow")

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, why: str) -> None:
        if self.transport.is_closing():
            return
        log.info("request refused", why=why, address=self.client[0] if self.client else "")
        if why == "too long" and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        else:
            self.transport.abort()
