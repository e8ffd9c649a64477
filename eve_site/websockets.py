"""What surrounds every websocket consumer."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from django.http import Http404

from consoles.backlog import SOCKET_PAIR


class RejectUnrouted:
    """Refuses a websocket for whose path there is no consumer, instead of failing the server's task."""

    def __init__(self, router: URLRouter) -> None:
        self.router = router

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves the websocket, or refuses its handshake."""
        try:
            await self.router(scope, receive, send)
        except (Http404, ValueError) as error:
            if isinstance(error, ValueError) and "No route found" not in str(error):
                raise
            await send({"type": "websocket.close", "code": 1000})


class SocketPair:
    """Keeps in a websocket's scope which socket it is, before anything puts the address that a proxy told in its place."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As ASGI."""
        client, server = scope.get("client"), scope.get("server")
        if scope["type"] == "websocket" and client and server:
            scope[SOCKET_PAIR] = (tuple(client), tuple(server))
        await self.application(scope, receive, send)
