"""uvicorn's websocket protocol, which hands its socket over to a console that asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from eve_agent.wire.close import CloseCode
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from consoles.relay import HANDOVER, ViewerLeft, ViewerSpokeEarly

_NO_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
MAX_FRAGMENTS = 256
"""Of one message: empty ones would add up to no length, and be kept for ever."""


class HandoverWebsocket(WebSocketsSansIOProtocol):
    """Offers itself in ``scope["extensions"]`` as :class:`consoles.relay.Handover`.

    Once its transport is taken, nothing of it is needed any more: a :class:`Taken` counts among the server's connections in its place.
    """

    _has_viewer_spoken = False
    _is_taken = False

    def handle_connect(self, event: Any) -> None:
        """As uvicorn."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions[HANDOVER] = self  # ASGI, "Extensions": a server may have its own

    def data_received(self, data: bytes) -> None:
        """As uvicorn; before its handshake is answered a client has nothing to say."""
        if self.handshake_initiated and not self.handshake_complete:
            self.transport.abort()
            return
        self._has_viewer_spoken = self.handshake_initiated
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            # The head has more or longer lines than websockets takes, which uvicorn does not notice: nobody would answer, or wait for an end.
            self.transport.write(_NO_HANDSHAKE)
            self.transport.close()

    def handle_cont(self, event: Any) -> None:
        """As uvicorn; a message in too many pieces ends the connection."""
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()

    def handle_ping(self) -> None:
        """As uvicorn; whoever does not take pongs is not sent more of them (RFC 6455, 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def take(
        self, protocol: asyncio.BaseProtocol, on_shutdown: Callable[[], None]
    ) -> tuple[asyncio.Transport, Callable[[], None]]:
        """As :class:`consoles.relay.Handover`."""
        transport = self.transport
        if self.disconnected or self.close_sent or transport.is_closing():
            raise ViewerLeft
        if self._has_viewer_spoken or not self.queue.empty():
            raise ViewerSpokeEarly
        self.stop_keepalive()
        self._forget_itself()
        self.conn.parser.close()  # it holds the websocket's state, which would stay until the collector comes
        transport.pause_reading()
        transport.set_protocol(protocol)
        self._is_taken, self.transport = True, _NoTransport()
        taken = Taken(self.connections, on_shutdown)
        self.connections.remove(self)
        self.connections.add(taken)  # type: ignore[arg-type] # of a connection, the server knows shutdown()
        return transport, taken.lost

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn; nothing is left that holds itself until the collector comes."""
        super().connection_lost(exc)
        self._forget_itself()

    async def send(self, message: Any) -> None:
        """As uvicorn. Raises RuntimeError where the transport is another's."""
        if self._is_taken:
            raise RuntimeError("The connection was handed over: the server must not write to it.")
        await super().send(message)

    def _forget_itself(self) -> None:
        if hasattr(self, "scope"):
            self.scope["extensions"].pop(HANDOVER, None)


class Taken:
    """A connection that was handed over, as far as the server counts it: it waits for its end when it stops."""

    __slots__ = ("_connections", "_on_shutdown")

    def __init__(self, connections: set[Any], on_shutdown: Callable[[], None]) -> None:
        self._connections = connections
        self._on_shutdown = on_shutdown

    def shutdown(self) -> None:
        """As uvicorn's protocols: the server stops, and whoever took the transport ends the connection."""
        self._on_shutdown()

    def lost(self) -> None:
        """The connection is gone."""
        self._connections.discard(self)
        self._on_shutdown = _nothing  # what it belongs to holds this, and would stay until the collector comes


class _NoTransport(asyncio.Transport):
    """What is left to uvicorn, which closes its transport once the application has returned. Whatever else it tried would fail."""

    def is_closing(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is there to close."""


def _nothing() -> None:
    """There is nothing left to end."""
