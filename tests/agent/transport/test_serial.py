"""Serial consoles over TLS: who may type, and who holds the line."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
import websockets
from eve_agent.driver.fake import FakeDriver
from eve_agent.wire import paths
from eve_agent.wire.close import CloseCode
from eve_agent.wire.console import ConsoleMode

from tests.agent.driver.rig import until
from tests.agent.transport.conftest import VERSION, Agent, start_agent
from tests.agent.transport.test_console import ended_with

GUEST = "fake-0001"


@pytest_asyncio.fixture
async def fake_agent(tmp_path: Path) -> AsyncIterator[Agent]:
    """An agent with a made-up hypervisor and one guest."""
    driver = FakeDriver(domains=1)
    await driver.start()
    running = await start_agent(tmp_path, driver=driver)
    yield running
    await running.server.close()
    await driver.close()


async def guest_of(agent: Agent) -> uuid.UUID:
    return (await agent.driver.domains())[0].uuid


async def line(agent: Agent, *, mode: str = "control", query: str = "", session: uuid.UUID | None = None):
    path = paths.domain_path(paths.DOMAIN_CONSOLE, await guest_of(agent))
    url = f"wss://localhost:{agent.port}{path}?session={session or uuid.uuid4()}&kind=serial&mode={mode}{query}"
    return await websockets.asyncio.client.connect(
        url, ssl=agent.context(), additional_headers=VERSION, compression=None, ping_interval=None, close_timeout=2
    )


async def comes(console: websockets.ClientConnection, wanted: bytes) -> None:
    data = b""
    async with asyncio.timeout(5):
        while wanted not in data:
            data += await console.recv(decode=False)


async def refusal(agent: Agent, **how: str) -> tuple[int, bytes]:
    try:
        console = await line(agent, **how)
    except websockets.InvalidStatus as refused:
        return refused.response.status_code, bytes(refused.response.body)
    await console.close()
    return 101, b""


async def test_what_is_typed_arrives(fake_agent: Agent):
    async with await line(fake_agent) as console:
        await comes(console, f"{GUEST} login: ".encode())
        await console.send(b"root\r")
        await comes(console, b"root\r\n")


async def test_a_viewer_only_looks(fake_agent: Agent):
    session = uuid.uuid4()
    async with await line(fake_agent, mode="view", session=session) as console:
        await comes(console, b"login: ")
        await console.send(b"typed-by-a-viewer\r")
        guest = await guest_of(fake_agent)
        await until(lambda: fake_agent.server.consoles.status(guest, session).bytes_from_viewer >= 18)
        status = fake_agent.server.consoles.change_mode(guest, session, ConsoleMode.CONTROL)
        assert status.mode == "control"
        await console.send(b"typed-in-control\r")
        data = b""
        async with asyncio.timeout(5):
            while b"typed-in-control" not in data:
                data += await console.recv(decode=False)
        assert b"typed-by-a-viewer" not in data


async def test_one_holds_the_line_until_it_is_taken(fake_agent: Agent):
    async with await line(fake_agent) as first:
        await comes(first, b"login: ")
        for query in ("", "&force=False", "&force=no"):
            status, body = await refusal(fake_agent, query=query)
            assert (status, b"console_busy" in body) == (409, True)
        async with await line(fake_agent, query="&force=True") as second:
            assert await ended_with(first) == CloseCode.LINE_TAKEN
            await comes(second, b"login: ")
    async with await line(fake_agent) as third:
        await comes(third, b"login: ")
