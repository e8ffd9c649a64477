"""A driver and a display for the transport's tests, small enough to see through."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import uuid

from eve_agent.driver.base import EventListener, Screenshot
from eve_agent.errors import DomainNotFound, DomainOff
from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Domain, DomainState, StateAction
from eve_agent.wire.events import Event
from eve_agent.wire.host import Cpu, HostFacts

DOMAIN = uuid.UUID("0b0c0d0e-1111-4222-8333-444455556666")
OFF_DOMAIN = uuid.UUID("0b0c0d0e-1111-4222-8333-444455557777")


class StubDriver:
    """Counts calls: `calls` stays empty where nobody got past the gate."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.kept: list[socket.socket] = []
        """Displays that a test looks away from stay open."""
        self.displays: asyncio.Queue[socket.socket] = asyncio.Queue()
        self.listeners: list[EventListener] = []
        self.greeting = b""
        """What a display says as soon as it is opened, before anybody listens."""
        self.failure: Exception | None = None
        self.change_seconds = 0.0
        """How long a change of state takes."""
        self.is_up = True

    async def start(self) -> None: ...

    async def close(self) -> None:
        for sock in self.kept:
            sock.close()

    async def host_facts(self) -> HostFacts:
        self._called("host_facts")
        return HostFacts(
            host_name="stub",
            agent_version="0",
            contract_version=1,
            libvirt_version="9.0.0",
            hypervisor_version="7.2.0",
            cpu=Cpu("x86_64", "", 1, 1, 1, 1),
            memory_bytes=1,
            memory_free_bytes=1,
            time=dt.datetime.now(dt.UTC),
        )

    async def domains(self) -> tuple[Domain, ...]:
        self._called("domains")
        return (self._domain(DOMAIN),)

    async def domain(self, domain_uuid: uuid.UUID) -> Domain:
        self._called("domain")
        return self._domain(domain_uuid)

    async def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        self._called(f"change_state {action.value}")
        await asyncio.sleep(self.change_seconds)
        return self._domain(domain_uuid)

    async def open_console(
        self, domain_uuid: uuid.UUID, kind: ConsoleKind, *, is_forced: bool = False
    ) -> socket.socket:
        self._called("open_console")
        if self._domain(domain_uuid).state is DomainState.OFF:
            raise DomainOff("the virtual machine is off")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.kept.append(theirs)
        theirs.send(self.greeting)
        await self.displays.put(theirs)
        return ours

    async def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot:
        self._called("screenshot")
        return Screenshot("image/png", b"picture")

    def subscribe(self, listener: EventListener):
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.failure is not None:
            raise self.failure

    def _domain(self, domain_uuid: uuid.UUID) -> Domain:
        states = {DOMAIN: DomainState.RUNNING, OFF_DOMAIN: DomainState.OFF}
        if domain_uuid not in states:
            raise DomainNotFound("no such domain")
        return Domain(uuid=domain_uuid, name="vm", state=states[domain_uuid], vcpus=1, memory_bytes=1)


class Display:
    """The far end of a console's socket: what QEMU would be."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def receive(self, count: int, *, seconds: float = 5) -> bytes:
        data = b""
        async with asyncio.timeout(seconds):
            while len(data) < count:
                piece = await self._loop.sock_recv(self.sock, count - len(data))
                if not piece:
                    break
                data += piece
        return data

    def close(self) -> None:
        self.sock.close()
