"""TLS connections to agents from an event loop: the peer is verified, and nothing was said yet.

Whatever speaks to an agent over such a connection takes it over with :meth:`Verified.hand_over`, once.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import cast

from .dial import connect_tcp
from .errors import NotTrusted
from .tls import AgentTls


class Verified(asyncio.Protocol):
    """A connection whose handshake is over and whose peer showed a pinned certificate. Make it with :func:`connect_verified`."""

    def __init__(self, trust: AgentTls) -> None:
        self.trust = trust
        self.refusal: NotTrusted | None = None
        self.on_lost: Callable[[], None] | None = None
        """Called when the agent ends it, or says something unasked, which ends it too."""
        self._transport: asyncio.Transport | None = None
        self._valid_until = 0.0

    def is_good_for(self, trust: AgentTls) -> bool:
        """Whether it is still open, and what `trust`, read just now, would have a new connection be."""
        if self._transport is None or self._transport.is_closing() or time.time() >= self._valid_until:
            return False
        return self.trust == trust and trust.is_pinned(self._peer())

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """`protocol` has the connection from now on, as if it had just been made."""
        transport = self._transport
        assert transport is not None
        self._transport = self.on_lost = None
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def abort(self) -> None:
        """Ends it at once, unless it was handed over."""
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over: chain, dates, usage and name are verified. A peer that is not pinned is cut with nothing sent."""
        self._transport = cast(asyncio.Transport, transport)
        peer = self._peer()
        try:
            self.trust.check(peer)
        except NotTrusted as error:
            self.refusal = error
            self._transport.abort()
            return
        self._valid_until = ssl.cert_time_to_seconds(str((peer.getpeercert() or {})["notAfter"]))

    def data_received(self, data: bytes) -> None:
        """An agent speaks when it is asked."""
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._transport = None
        on_lost, self.on_lost = self.on_lost, None
        if on_lost is not None:
            on_lost()

    def _peer(self) -> ssl.SSLObject:
        assert self._transport is not None
        return cast(ssl.SSLObject, self._transport.get_extra_info("ssl_object"))


async def connect_verified(trust: AgentTls) -> Verified:
    """A connection to that agent. To be bounded in time by the caller.

    Raises:
        NotTrusted: the certificate is not pinned.
        ssl.SSLError: it is not by Eve's CA, or not in that host's name.
        OSError: nothing answers, or no TLS.
    """
    _transport, connection = await asyncio.get_running_loop().create_connection(
        lambda: Verified(trust),
        sock=await connect_tcp(trust.host, trust.port),
        ssl=trust.context,
        server_hostname=trust.server_name,
    )
    if connection.refusal is not None:
        raise connection.refusal
    return connection
