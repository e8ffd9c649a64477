"""How long a body may be, and say it is."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from eve_site.bodies import BoundedBodies


async def _echo_length(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(message.get("body", b""))).encode()})


async def status_of(declared: list[bytes], body: bytes = b"") -> int:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [(b"content-length", value) for value in declared],
    }
    exchange = ApplicationCommunicator(BoundedBodies(_echo_length, most_bytes=100), scope)
    await exchange.send_input({"type": "http.request", "body": body})
    start = await exchange.receive_output()
    return int(start["status"])


@pytest.mark.parametrize(
    ("declared", "status"),
    [
        ([], 200),
        ([b"0"], 200),
        ([b"100"], 200),
        ([b"0100"], 200),
        ([b"0" * 5000], 200),
        ([b"0" * 5000 + b"100"], 200),
        ([b"101"], 413),
        ([b"1000"], 413),
        ([b"9" * 5000], 413),
        ([b"0" * 5000 + b"101"], 413),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_the_declared_length(declared: list[bytes], status: int) -> None:
    assert await status_of(declared) == status


async def test_what_comes_counts_whatever_was_declared() -> None:
    assert await status_of([b"5"], b"x" * 101) == 413
    assert await status_of([b"nonsense"], b"x" * 101) == 413
    assert await status_of([b"5"], b"x" * 100) == 200
