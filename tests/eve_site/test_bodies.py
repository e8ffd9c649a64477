"""How long a body may be, and say it is, and how long it may take."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from eve_site import bodies
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


async def _read_on(scope: Any, receive: Any, send: Any) -> None:
    """Reads to the body's end, and then waits for the peer's."""
    while (message := await receive())["type"] == "http.request":
        if not message.get("more_body"):
            await send({"type": "http.response.start", "status": 200, "headers": []})


def reading() -> ApplicationCommunicator:
    return ApplicationCommunicator(
        BoundedBodies(_read_on), {"type": "http", "method": "POST", "path": "/", "headers": []}
    )


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)
    exchange = reading()
    await exchange.send_input({"type": "http.request", "body": b"x", "more_body": True})
    start = await exchange.receive_output(timeout=5)
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]


async def test_a_long_body_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "LEAST_BYTES_PER_SECOND", 10)
    exchange = reading()
    for _ in range(10):
        await exchange.send_input({"type": "http.request", "body": b"x" * 10, "more_body": True})
        await asyncio.sleep(0.1)
    await exchange.send_input({"type": "http.request", "body": b""})
    assert (await exchange.receive_output(timeout=5))["status"] == 200


async def test_an_answer_may_take_as_long_as_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)
    exchange = reading()
    await exchange.send_input({"type": "http.request", "body": b""})
    assert (await exchange.receive_output(timeout=5))["status"] == 200
    assert await exchange.receive_nothing(timeout=0.5)
    assert not exchange.future.done(), "its peer is still there"
    await exchange.send_input({"type": "http.disconnect"})
    await exchange.wait(5)
