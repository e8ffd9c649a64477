"""The real agent on a made-up hypervisor, in a thread of this process, enrolled with Eve over HTTP."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from eve_agent.config import Address, Config
from eve_agent.driver.fake import FakeDriver
from eve_agent.enrolment import Enrolment, enrol
from eve_agent.service.identity import Identity
from eve_agent.transport.server import AgentServer
from eve_agent.wire.certs import EnrolmentToken

from hypervisors.models import Hypervisor
from hypervisors.services import enrolment_token_create

T = TypeVar("T")


def free_port() -> int:
    """A port that is free just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class RealAgent:
    """One host."""

    def __init__(self, hypervisor: Hypervisor, folder: Path, *, domains: int = 3) -> None:
        self.hypervisor = hypervisor
        self.folder = folder
        self.port = free_port()
        self.driver = FakeDriver(domains=domains, host_name=hypervisor.name)
        self.identity: Identity
        self.server: AgentServer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        Hypervisor.objects.filter(pk=hypervisor.pk).update(address=f"127.0.0.1:{self.port}")
        hypervisor.refresh_from_db()

    def enrol(self, url: str) -> None:
        """As an operator does."""
        text, _row = enrolment_token_create(hypervisor=self.hypervisor)
        wish = Enrolment(
            url=url,
            token=EnrolmentToken.parse(text),
            config_path=self.folder / "agent.toml",
            key_dir=self.folder / "keys",
            is_forced=True,
        )
        enrol(wish)
        self.hypervisor.refresh_from_db()

    def start(self) -> None:
        """Serves, by what is on the disk."""
        config = Config.load(self.folder / "agent.toml")
        self.identity = Identity(config.identity_dir.resolve())
        started = threading.Event()

        def run() -> None:
            self._loop = uvloop.new_event_loop()
            self._loop.run_until_complete(self._start())
            started.set()
            self._loop.run_forever()
            self._loop.run_until_complete(_cancel_all())
            self._loop.close()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert started.wait(5)

    def stop(self) -> None:
        """Ends, as by SIGTERM."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self.server.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop = None

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Runs something on the agent's loop, such as a change of its driver."""
        assert self._loop is not None

        async def run() -> T:
            return function(*args, **kwargs)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(5)

    async def _start(self) -> None:
        self.server = AgentServer(self.identity, self.driver)
        await self.driver.start()
        await self.server.start(Address("127.0.0.1", self.port))


async def _cancel_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
