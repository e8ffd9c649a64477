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
SWITCH_INTERVAL_SECONDS = 0.0005
"""A page that renders gives way to a console's echo after half a millisecond."""


def serve(*, host: str, port: int, sockets: Sequence[socket.socket] = (), **options: Any) -> None:
    """Serves until SIGTERM or SIGINT, on `sockets` that listen already, or else on `host` and `port`."""
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
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=list(sockets) or None)
    if not server.started:
        sys.exit(STARTUP_FAILURE)
