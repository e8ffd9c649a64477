"""How a request arrived: what the proxies before Eve made of it. For finding out which of them is set up wrongly."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from django.conf import settings
from django.http import HttpRequest

from .context import clean_address

CONNECTION = "eve.connection"
"""Where a scope keeps its connection's (peer's address, own address), as the server has them: ``client`` may become whom a trusted proxy speaks for."""


class RememberConnection:
    """Notes who connected, before forwarded headers are believed. An IPv4 peer of a socket for both families gets its usual address."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves one request or websocket."""
        client, server = scope.get("client"), scope.get("server")
        if client and server:
            peer = (clean_address(client[0]) or client[0], client[1])
            scope = {**scope, "client": peer, CONNECTION: (peer, tuple(server))}
        await self.application(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What of a request tells on the proxies before Eve."""

    peer: str
    """Who connected to Eve: the last proxy, where there is one."""
    client: str
    """Whom Eve takes for the client."""
    is_secure: bool
    """Whether Eve takes it for https (or wss)."""
    http_version: str
    host: str = ""
    origin: str = ""
    upgrade: str = ""
    connection: str = ""
    forwarded_for: str = ""
    forwarded_proto: str = ""
    other_proxy: str = ""
    """The first of what else only proxies write: ``Forwarded``, ``Via``, ``X-Forwarded-Host``, ``X-Real-IP``."""
    is_handshake: bool = False
    """Whether it began as a websocket's handshake, whatever was made of it on the way."""

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Self:
        """Reads an ASGI scope."""
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")[:200] for name, value in scope.get("headers", [])
        }
        others = (f"{name}: {headers[name]}" for name in _OTHER_PROXIES if name in headers)
        client = scope.get("client") or ("", 0)
        peer, _own = scope.get(CONNECTION, (client, None))
        return cls(
            peer=str(peer[0]),
            client=str(client[0]),
            is_secure=scope.get("scheme") in ("https", "wss"),
            http_version=str(scope.get("http_version", "")),
            host=headers.get("host", ""),
            origin=headers.get("origin", ""),
            upgrade=headers.get("upgrade", ""),
            connection=headers.get("connection", ""),
            forwarded_for=headers.get("x-forwarded-for", ""),
            forwarded_proto=headers.get("x-forwarded-proto", "").strip(),
            other_proxy=next(others, ""),
            is_handshake=scope["type"] == "websocket" or "sec-websocket-key" in headers,
        )

    @classmethod
    def of_request(cls, request: HttpRequest) -> Self:
        """Of a request of Django's; nothing is known of one that a WSGI server serves."""
        return cls.of(getattr(request, "scope", {"type": "http"}))

    @property
    def is_forwarded(self) -> bool:
        """Whether something says that it came by a proxy."""
        return bool(self.forwarded_for or self.forwarded_proto or self.other_proxy)

    @property
    def is_trusted(self) -> bool:
        """Whether Eve believes who connected what they say of others."""
        try:
            peer = ipaddress.ip_address(self.peer)
        except ValueError:
            return False
        return any(peer in ipaddress.ip_network(each, strict=False) for each in settings.TRUSTED_PROXIES)


_OTHER_PROXIES = ("forwarded", "via", "x-forwarded-host", "x-real-ip")
