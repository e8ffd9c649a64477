"""How Eve is served: uvicorn on uvloop, with limits on what a client may send and no log of query strings."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from django.conf import settings

from .handover import HandoverWebsocket
from .heads import BoundedHttp

MAX_WEBSOCKET_MESSAGE_BYTES = 1024 * 1024
GRACEFUL_SHUTDOWN_SECONDS = 5
SWITCH_INTERVAL_SECONDS = 0.0005
"""A page that renders gives way to a console's echo after half a millisecond."""


def serve(*, host: str, port: int, **options: Any) -> None:
    """Serves until SIGTERM or SIGINT."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    uvicorn.run(
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
