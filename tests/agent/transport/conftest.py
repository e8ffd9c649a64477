"""An agent's server in this process, on loopback, with Eve's certificates beside it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import uvloop
import websockets.asyncio.client
from eve_agent.config import Address
from eve_agent.service.identity import Identity
from eve_agent.service.liveness import Pace
from eve_agent.transport.server import AgentServer
from eve_agent.wire import paths
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER

from tests.agent import pki
from tests.agent.stub import DOMAIN, Display, StubDriver

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
VERSION = {VERSION_HEADER: str(CONTRACT_VERSION)}
FAST = Pace(ping_seconds=0.2, stalled_seconds=0.6, tick_seconds=0.05, closing_seconds=0.5)
CALM = Pace(tick_seconds=0.05, closing_seconds=0.5)


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """The agent runs on uvloop, and so do these tests."""
    return {"uvloop": uvloop.new_event_loop}


@dataclass
class Agent:
    """A running agent, and Eve's way to it."""

    server: AgentServer
    driver: StubDriver
    identity: Identity
    authority: pki.Authority
    eve: pki.Leaf
    folder: Path

    @property
    def port(self) -> int:
        return self.server.addresses[0].port

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def context(self, leaf: pki.Leaf | None = None, authority: pki.Authority | None = None):
        context = pki.client_context(self.folder, authority or self.authority, leaf or self.eve)
        context.check_hostname = False
        return context

    def session(self, leaf: pki.Leaf | None = None, *, version: str = str(CONTRACT_VERSION)) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self.context(leaf))
        return aiohttp.ClientSession(self.url, connector=connector, headers={VERSION_HEADER: version})

    def console(self, *, mode: str = "control", session: uuid.UUID | None = None, query: str = "", **options):
        path = paths.domain_path(paths.DOMAIN_CONSOLE, DOMAIN)
        url = f"wss://localhost:{self.port}{path}?session={session or uuid.uuid4()}&mode={mode}{query}"
        options = {"compression": None, "ping_interval": None, "close_timeout": 2} | options
        return websockets.asyncio.client.connect(
            url, ssl=self.context(), additional_headers=VERSION, max_size=None, **options
        )

    async def display(self) -> Display:
        return Display(await asyncio.wait_for(self.driver.displays.get(), 5))


async def start_agent(folder: Path, pace: Pace = CALM, address: Address | None = None, *, driver: Any = None) -> Agent:
    """With a :class:`StubDriver`, or with `driver`, which has been started."""
    authority = pki.Authority.make()
    eve = authority.client()
    leaf = authority.issue()
    identity = Identity(pki.write_identity(folder / "identity", authority, leaf, (eve.fingerprint,)))
    driver = driver or StubDriver()
    server = AgentServer(identity, driver, pace=pace)
    await server.start(address or Address("127.0.0.1", 0))
    return Agent(server, driver, identity, authority, eve, folder)


@pytest_asyncio.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    running = await start_agent(tmp_path)
    yield running
    await running.server.close()
    await running.driver.close()


@pytest_asyncio.fixture
async def fast_agent(tmp_path: Path) -> AsyncIterator[Agent]:
    """Its pings, stalls and ticks come a hundred times faster."""
    running = await start_agent(tmp_path, FAST)
    yield running
    await running.server.close()
    await running.driver.close()
