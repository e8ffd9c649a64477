"""What a request may have beside its body, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from eve_site import heads

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
async def served() -> AsyncIterator[Connect]:
    config = uvicorn.Config(
        echo, port=0, http=heads.BoundedHttp, ws="none", lifespan="off", log_config=None, timeout_keep_alive=30
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    running = asyncio.create_task(server.main_loop())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", port)
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
