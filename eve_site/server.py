"""How Eve is served: uvicorn on uvloop, with limits on what a client may send and no log of query strings."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Sequence
from typing import Any

import structlog
import uvicorn
from django.conf import settings
from uvicorn.config import STARTUP_FAILURE

from .handover import HandoverWebsocket
from .heads import BoundedHttp

log = structlog.get_logger(__name__)

MAX_WEBSOCKET_MESSAGE_BYTES = 1024 * 1024
GRACEFUL_SHUTDOWN_SECONDS = 5
SWITCH_INTERVAL_SECONDS = 0.0001
"""A page that renders gives way to a console's echo after a tenth of a millisecond."""


def serve(*, host: str, port: int, sockets: Sequence[socket.socket] = (), **options: Any) -> None:
    """Serves until SIGTERM or SIGINT, on `sockets` that listen already, or else on `host` and `port`; ``::`` is every address."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    config = uvicorn.Config(
        settings.ASGI_APPLICATION.replace(".application", ":application"),
        host=host,
        port=port,
        loop="uvloop",
        http=BoundedHttp,
        ws=HandoverWebsocket,
        ws_max_size=MAX_WEBSOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=25,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        **options,
    )
    server = uvicorn.Server(config)
    if sockets:
        log.info("listening on passed sockets", addresses=[sock.getsockname() for sock in sockets])
    elif host == "::":
        sockets = _bind_both(port)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=list(sockets) or None)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _bind_both(port: int) -> list[socket.socket]:
    """A socket for each family: one for both would give IPv4 clients and proxies addresses that nobody wrote into a setting."""
    bound = []
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - every address was asked for
        try:
            sock = socket.socket(family)
            bound.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
        except OSError as error:
            log.error("cannot listen", address=host, port=port, why=error.strerror)
            sys.exit(STARTUP_FAILURE)
    return bound
