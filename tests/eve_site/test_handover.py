"""The server's socket, handed over to an application in the middle of a websocket."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from consoles.relay import HANDOVER, Handover, ViewerLeft, ViewerSpokeEarly
from eve_site.handover import HandoverWebsocket
from eve_site.heads import BoundedHttp

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Echo(asyncio.Protocol):
    """Writes back what it gets, in capitals, frames or not."""

    def __init__(self, handover: Handover) -> None:
        self.stopped = asyncio.Event()
        self.over = asyncio.Event()
        self.transport, self.lost = handover.take(self, self.stop)
        self.transport.resume_reading()

    def stop(self) -> None:
        self.stopped.set()

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost()
        self.over.set()


@contextlib.asynccontextmanager
async def serving(
    application: Application, http: type[BoundedHttp] = BoundedHttp
) -> AsyncIterator[tuple[uvicorn.Server, str]]:
    config = uvicorn.Config(
        application,
        port=0,
        http=http,
        ws=HandoverWebsocket,
        lifespan="off",
        log_config=None,
        ws_per_message_deflate=False,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined] # they are the tests' own
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has nothing else to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield server, f"ws://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        await asyncio.wait_for(running, 10)


async def opened(scope: Any, receive: Any, send: Any) -> Handover:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    handover: Handover = scope["extensions"][HANDOVER]
    return handover


async def raw(client: ClientConnection, data: bytes) -> bytes:
    """Sends bytes beside the protocol; the first that come back."""
    received: asyncio.Queue[bytes] = asyncio.Queue()
    client.data_received = received.put_nowait  # type: ignore[assignment, method-assign]
    client.transport.set_protocol(client)
    client.transport.write(data)
    return await asyncio.wait_for(received.get(), 5)


async def test_the_application_may_return_and_the_socket_lives_on() -> None:
    taken: asyncio.Future[Echo] = asyncio.get_running_loop().create_future()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        echo = Echo(await opened(scope, receive, send))
        with pytest.raises(RuntimeError):
            await send({"type": "websocket.send", "text": "the server's own"})
        taken.set_result(echo)

    async with serving(application) as (server, url):
        client = await connect(url, compression=None)
        echo = await taken
        async with asyncio.timeout(5):
            while server.server_state.tasks:  # noqa: ASYNC110 - the application's
                await asyncio.sleep(0.01)
        assert await raw(client, b"not a frame at all") == b"NOT A FRAME AT ALL"
        assert len(server.server_state.connections) == 1
        client.transport.close()
        await asyncio.wait_for(echo.over.wait(), 5)
        assert not server.server_state.connections


async def test_a_server_that_stops_leaves_the_end_to_the_owner() -> None:
    ending: list[asyncio.Task[None]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        echo = Echo(await opened(scope, receive, send))

        async def end() -> None:
            await echo.stopped.wait()
            await asyncio.sleep(0.2)  # the server waits
            echo.transport.write(b"\x88\x02\x03\xf4")
            echo.transport.close()

        ending.append(asyncio.create_task(end()))

    async with serving(application) as (server, url):
        client = await connect(url, compression=None)
        await asyncio.sleep(0.1)
        server.should_exit = True
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(client.recv(), 5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    assert ending[0].done()


@pytest.mark.parametrize(("first", "error"), [("speak", ViewerSpokeEarly), ("leave", ViewerLeft)])
async def test_it_is_refused_to_who_comes_too_late(first: str, error: type[Exception]) -> None:
    outcome: asyncio.Future[type[Exception] | None] = asyncio.get_running_loop().create_future()
    connected = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        handover = await opened(scope, receive, send)
        await connected.wait()
        await asyncio.sleep(0.1)
        try:
            Echo(handover)
        except (ViewerLeft, ViewerSpokeEarly) as refusal:
            outcome.set_result(type(refusal))
        else:
            outcome.set_result(None)

    async with serving(application) as (_server, url):
        client = await connect(url, compression=None)
        if first == "speak":
            client.transport.write(b"\x82")  # not even a whole frame
        else:
            client.transport.abort()
        connected.set()
        assert await asyncio.wait_for(outcome, 5) is error
        client.transport.abort()


async def test_nothing_of_a_connection_waits_for_the_collector() -> None:
    """Each has buffers beside its objects, of which the collector knows nothing: a hundred would be 30 MiB before it comes."""
    left: list[weakref.ref[Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        handover = await opened(scope, receive, send)
        left.extend([weakref.ref(handover), weakref.ref(Echo(handover))])

    http: list[weakref.ref[Any]] = []

    class Noted(BoundedHttp):
        def connection_made(self, transport: Any) -> None:
            http.append(weakref.ref(self))
            super().connection_made(transport)

    gc.disable()
    try:
        async with serving(application, http=Noted) as (_server, url):
            client = await connect(url, compression=None)
            await raw(client, b"hello")
            client.transport.close()
            async with asyncio.timeout(5):
                while any(reference() is not None for reference in left + http):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    finally:
        gc.enable()
    assert (len(left), len(http)) == (2, 1)
