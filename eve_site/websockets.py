"""What surrounds every websocket consumer."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from django.http import Http404


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
