"""How the channel layer holds its connections to Redis."""

from __future__ import annotations

import socket
from typing import Any

_KEEPALIVE = {
    socket.TCP_KEEPIDLE: 15,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 30_000,
}


def channel_connection(url: str) -> dict[str, Any]:
    """What channels_redis takes as a host.

    It has no timeout of the client's own: redis-py's default of 5 s ends the channel layer's waits, which take as long, and on Python
    3.11 any timeout makes it forget cancellations (asyncio.wait_for), so that a console which has ended would listen on for ever. That
    Redis' host is gone, the kernel notices within half a minute.
    """
    connection: dict[str, Any] = {"address": url, "socket_timeout": None}
    if not url.startswith("unix:"):
        connection |= {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
    return connection
