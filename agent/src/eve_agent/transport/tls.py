"""Who may connect: TLS 1.3, a client certificate by Eve's CA, and one of Eve's pins, before a byte of HTTP is parsed.

The handshake checks the chain (the context trusts Eve's CA and nothing else: no system roots, no bundle that the
environment names). :class:`Gate` then checks the pin in ``connection_made``; the HTTP parser of a connection
does not exist until it has passed. There are no session tickets, hence no resumption that could go round the check.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection
from typing import cast

import structlog

from eve_agent.config import Address
from eve_agent.service.certificates import fingerprint
from eve_agent.service.identity import Identity

HANDSHAKE_SECONDS = 10.0
SHUTDOWN_SECONDS = 2.0
BACKLOG = 256

log = structlog.get_logger(__name__)


def server_context(identity: Identity) -> ssl.SSLContext:
    """The context for connections that are shown `identity.serving`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=identity.ca_pem)
    context.load_cert_chain(identity.serving.path)
    return context


def peer_fingerprint(transport: asyncio.BaseTransport) -> str:
    """SHA-256 of the DER of the peer's certificate; empty where it has shown none."""
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    return fingerprint(der) if der else ""


class Gate(asyncio.Protocol):
    """Lets a connection through to a protocol made by `make_protocol` if its certificate is pinned, else cuts it."""

    def __init__(self, pins: Callable[[], Collection[str]], make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._pins = pins
        self._make_protocol = make_protocol

    def connection_made(self, connected: asyncio.BaseTransport) -> None:
        """The handshake is over and the chain verified."""
        transport = cast(asyncio.Transport, connected)
        peer = peer_fingerprint(transport)
        if peer not in self._pins():
            log.warning(
                "connection_refused", why="its certificate is not pinned", fingerprint=peer, peer=_peer(transport)
            )
            transport.abort()
            return
        protocol = self._make_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


class Listener:
    """The listening sockets. :meth:`reload` makes connections from then on see another certificate; open ones go on."""

    def __init__(self, identity: Identity, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._identity = identity
        self._make_protocol = make_protocol
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._context: ssl.SSLContext | None = None
        self._shown = ""

    @property
    def addresses(self) -> list[Address]:
        """Where it listens, with the port that the system chose where that was 0."""
        return [Address(*sock.getsockname()[:2]) for sock in self._sockets]

    async def start(self, address: Address) -> None:
        """Binds and listens. Raises OSError."""
        self._sockets = await bind(address)
        await self.reload()

    async def reload(self) -> None:
        """Shows `identity.serving` to every connection from now on."""
        self._context = server_context(self._identity)
        self._shown = self._identity.serving.fingerprint
        old, self._servers = self._servers, []
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            server = await loop.create_server(
                lambda: Gate(lambda: self._identity.pins, self._make_protocol),
                sock=sock.dup(),
                backlog=BACKLOG,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
            self._servers.append(server)
        for server in old:
            server.close()

    def shown_to(self, transport: asyncio.BaseTransport) -> str:
        """The fingerprint of the certificate that this connection was shown; empty if it is not the newest one."""
        return self._shown if transport.get_extra_info("sslcontext") is self._context else ""

    def close(self) -> None:
        """Stops listening; open connections go on."""
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            sock.close()
        self._servers, self._sockets = [], []


async def bind(address: Address) -> list[socket.socket]:
    """Listening sockets; ``::`` takes IPv4 too, and is ``0.0.0.0`` on a host without IPv6. Raises OSError."""
    host = address.host
    if host == "::" and not _has_ipv6():
        log.warning("no_ipv6", listening_on=f"0.0.0.0:{address.port}")
        host = "0.0.0.0"  # noqa: S104 - every address was asked for
    found = await asyncio.get_running_loop().getaddrinfo(
        host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, kind, proto, _, where in dict.fromkeys(found):
            sock = socket.socket(family, kind, proto)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
            sock.bind(where)
            sock.listen(BACKLOG)
            sock.setblocking(False)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::", 0))
    except OSError:
        return False
    return True


def _peer(transport: asyncio.BaseTransport) -> str:
    name = transport.get_extra_info("peername")
    return str(Address(*name[:2])) if isinstance(name, tuple) else ""
