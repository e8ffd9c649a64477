"""uvicorn's websocket protocol, which hands its socket over to a console that asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from consoles.relay import HANDOVER, ViewerLeft, ViewerSpokeEarly


class HandoverWebsocket(WebSocketsSansIOProtocol):
    """Offers itself in ``scope["extensions"]`` as :class:`consoles.relay.Handover`.

    Once its transport is taken, it neither reads nor writes: it goes on to count among the server's connections, and tells the
    application when the connection is gone.
    """

    _has_viewer_spoken = False
    _on_shutdown: Callable[[], None] | None = None

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

    def take(self, protocol: asyncio.BaseProtocol, on_shutdown: Callable[[], None]) -> asyncio.Transport:
        """As :class:`consoles.relay.Handover`."""
        if self.disconnected or self.close_sent or self.transport.is_closing():
            raise ViewerLeft
        if self._has_viewer_spoken or not self.queue.empty():
            raise ViewerSpokeEarly
        self.stop_keepalive()
        self._on_shutdown = on_shutdown
        self.transport.pause_reading()
        self.transport.set_protocol(protocol)
        return self.transport

    def lost(self, exc: Exception | None) -> None:
        """As :class:`consoles.relay.Handover`."""
        self._on_shutdown = _nothing  # what it belongs to holds this, and would stay until the collector comes
        self.connection_lost(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn; nothing is left that holds itself until the collector comes."""
        super().connection_lost(exc)
        if hasattr(self, "scope"):
            self.scope["extensions"].pop(HANDOVER, None)

    def shutdown(self) -> None:
        """The server stops: whoever took the transport ends the connection."""
        if self._on_shutdown is not None:
            self._on_shutdown()
        else:
            super().shutdown()

    async def send(self, message: Any) -> None:
        """As uvicorn. Raises RuntimeError where the transport is another's."""
        if self._on_shutdown is not None:
            raise RuntimeError("The connection was handed over: the server must not write to it.")
        await super().send(message)


def _nothing() -> None:
    """There is nothing left to end."""
