"""What a request may have beside its body, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from eve_site import heads
from eve_site.handover import HandoverWebsocket

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
LINE = b"X-Filler: " + b"x" * 1000 + b"\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: eve\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    answer = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


@contextlib.asynccontextmanager
async def served(application: Any = echo) -> AsyncIterator[Connect]:
    async with serving(application=application) as (connect, _server):
        yield connect


@contextlib.asynccontextmanager
async def serving(ws: Any = "none", application: Any = echo) -> AsyncIterator[tuple[Connect, uvicorn.Server]]:
    config = uvicorn.Config(
        application, port=0, http=heads.BoundedHttp, ws=ws, lifespan="off", log_config=None, timeout_keep_alive=30
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    running = asyncio.create_task(server.main_loop())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", port), server
    finally:
        server.should_exit = server.force_exit = True
        await running
        await server.shutdown()


async def flooded(writer: asyncio.StreamWriter, filler: bytes) -> int:
    """How many bytes are taken of an endless row of `filler`, 16 MiB at most."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 16 * 2**20:
            writer.write(filler)
            await writer.drain()
            sent += len(filler)
    return sent


@pytest.mark.parametrize(
    ("opening", "filler"),
    [
        (HEAD, LINE * 16),
        (HEAD + b"X-Endless: ", b"x" * 16384),
        (b"GET /", b"x" * 16384),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", LINE * 16),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 16384),
    ],
    ids=["headers", "one header", "address", "trailers", "a chunk's extension"],
)
async def test_what_is_beside_the_body_is_bounded(opening: bytes, filler: bytes) -> None:
    async with served() as connect:
        _reader, writer = await connect()
        writer.write(opening)
        assert await flooded(writer, filler) < 8 * 2**20
        writer.close()


async def test_a_head_that_is_too_long_is_answered() -> None:
    async with served() as connect:
        reader, writer = await connect()
        writer.write(HEAD + LINE * 80)
        assert await reader.readline() == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        writer.close()


async def test_bodies_and_requests_in_a_row_are_not_counted() -> None:
    async with served() as connect:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(HEAD + LINE * 20 + b"Content-Length: 1000000\r\n\r\n" + b"b" * 1_000_000)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(7) == b"1000000"
        writer.close()


@pytest.mark.parametrize("opening", [b"", b"GET / HT"])
async def test_a_head_that_does_not_come_ends_the_connection(opening: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.1)
    async with served() as connect:
        reader, writer = await connect()
        writer.write(opening)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_an_answer_that_is_not_taken_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "UNTAKEN_SECONDS", 0.5)
    over = asyncio.Event()

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with contextlib.suppress(OSError):
            for _ in range(64):
                await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        over.set()

    async with served(large) as connect:
        reader, writer = await connect()
        writer.transport.pause_reading()
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        await asyncio.wait_for(over.wait(), 10)
        with contextlib.suppress(ConnectionError):
            writer.transport.resume_reading()
            while await reader.read(2**20):
                pass
        writer.close()


@pytest.mark.parametrize("requests_before", [0, 1], ids=["new", "kept"])
async def test_a_request_that_is_on_its_way_when_the_server_stops_is_answered(requests_before: int) -> None:
    async with serving() as (connect, server):
        reader, writer = await connect()
        for _ in range(requests_before):
            writer.write(HEAD + b"Content-Length: 1\r\n\r\nb")
            await reader.readuntil(b"\r\n\r\n1")
        while not server.server_state.connections:  # noqa: ASYNC110 - it is accepted at any time
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(server.shutdown())
        await asyncio.sleep(0.05)
        writer.write(HEAD + b"Content-Length: 2\r\n\r\nbb")
        answer = (await asyncio.wait_for(reader.read(), 5)).lower()
        assert answer.startswith(b"http/1.1 200 ")
        assert b"\r\nconnection: close\r\n" in answer, "whoever keeps connections would use it again"
        await asyncio.wait_for(stopping, 5)
        writer.close()


async def test_connections_without_a_request_do_not_hold_a_stop_up() -> None:
    async with serving() as (connect, server):
        reader, writer = await connect()
        while not server.server_state.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.wait_for(server.shutdown(), heads.LAST_REQUEST_SECONDS + 1)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(("requests_before", "answer"), [(0, b"HTTP/1.1 503 "), (1, b"")], ids=["new", "kept"])
async def test_a_websocket_that_comes_while_the_server_stops_is_told_to_come_again(
    requests_before: int, answer: bytes
) -> None:
    async with serving(HandoverWebsocket) as (connect, server):
        reader, writer = await connect()
        for _ in range(requests_before):
            writer.write(HEAD + b"Content-Length: 1\r\n\r\nb")
            await reader.readuntil(b"\r\n\r\n1")
        while not server.server_state.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(server.shutdown())
        await asyncio.sleep(0.05)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: eve\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert (await asyncio.wait_for(reader.read(), 5))[:13] == answer
        await asyncio.wait_for(stopping, 5)
        writer.close()
