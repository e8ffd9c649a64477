"""A driver on a hypervisor that the test can change behind its back: one rig for libvirt, one for the fake."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from eve_agent.driver.base import Driver
from eve_agent.driver.fake import VNC, FakeDriver
from eve_agent.driver.libvirt import LibvirtDriver
from eve_agent.errors import DomainOff
from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Domain, DomainState, Graphics, GraphicsKind, StateAction
from eve_agent.wire.events import Event, EventKind

from deploy.local import domain_xml
from tests.services.libvirt import LibvirtSandbox

SPICE = Graphics(kind=GraphicsKind.SPICE, index=0)
FAKE_GRAPHICS = {
    "vnc": (VNC,),
    "headless": (),
    "spice": (SPICE,),
    "spice-and-vnc": (SPICE, Graphics(kind=GraphicsKind.VNC, index=1)),
}
REAL_GRAPHICS = {
    "vnc": (domain_xml.Graphics(),),
    "headless": (),
    "spice": (domain_xml.Graphics(kind="spice"),),
    "spice-and-vnc": (domain_xml.Graphics(kind="spice"), domain_xml.Graphics()),
}
BOOT_SECONDS = 90.0
"""Of a demo guest, emulated, on a machine that has other things to do."""


class EventLog:
    """Everything that a driver told, with the time of its arrival."""

    def __init__(self, driver: Driver) -> None:
        self.events: list[Event] = []
        self._arrived = asyncio.Event()
        self.unsubscribe = driver.subscribe(self._take)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._arrived.set()

    async def wait_for(self, wanted: Callable[[Event], bool], *, seconds: float = 5.0) -> Event:
        """The first event that is `wanted`, whether it came already or not."""
        async with asyncio.timeout(seconds):
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                self._arrived.clear()
                await self._arrived.wait()

    async def wait_for_state(self, domain_uuid: uuid.UUID, state: DomainState, *, seconds: float = 5.0) -> Event:
        """The first event that has the domain in `state`."""
        return await self.wait_for(
            lambda event: event.domain is not None and event.domain.uuid == domain_uuid and event.domain.state is state,
            seconds=seconds,
        )

    async def wait_for_kind(
        self, kind: EventKind, domain_uuid: uuid.UUID | None = None, *, seconds: float = 5.0
    ) -> Event:
        """The first event of `kind`, about that domain where one is given."""
        return await self.wait_for(
            lambda event: event.kind is kind and domain_uuid in (None, event.domain_uuid), seconds=seconds
        )


class Rig(Protocol):
    """What the contract suite needs beside the driver."""

    driver: Driver

    async def make(self, name: str, display: str = "vnc", *, running: bool = True, booted: bool = False) -> uuid.UUID:
        """A guest with that display; `booted`: wait until its system is up."""

    async def make_network(self) -> None:
        """The network ``default``."""

    async def seeds_of(self, domain: Domain) -> str:
        """All that a running guest's hypervisor has open as its seed."""

    async def undefine(self, domain_uuid: uuid.UUID) -> None:
        """Forgets the definition: a running guest becomes transient, another is gone."""

    async def stop(self, domain_uuid: uuid.UUID) -> None:
        """Pulls the plug behind the driver's back."""

    async def go_away(self) -> None:
        """Kills the hypervisor's daemon."""

    async def come_back(self) -> None:
        """Starts it again."""


class FakeRig:
    """The rig of :class:`FakeDriver`, with a console that is the address of a test's RFB server."""

    def __init__(self, console_address: tuple[str, int]) -> None:
        self.driver = FakeDriver(console_address=console_address, domains=0, shutdown_seconds=0.05)

    async def make(self, name: str, display: str = "vnc", *, running: bool = True, booted: bool = False) -> uuid.UUID:
        state = DomainState.RUNNING if running else DomainState.OFF
        return self.driver.define(name, state=state, graphics=FAKE_GRAPHICS[display])

    async def make_network(self) -> None:
        return

    async def seeds_of(self, domain: Domain) -> str:
        return "".join(seed.user_data for (_, vm), seed in self.driver.seeds.items() if vm == domain.uuid)

    async def undefine(self, domain_uuid: uuid.UUID) -> None:
        if (await self.driver.domain(domain_uuid)).state is DomainState.OFF:
            self.driver.remove(domain_uuid)
        else:
            self.driver.change(domain_uuid, is_persistent=False)

    async def stop(self, domain_uuid: uuid.UUID) -> None:
        self.driver.change(domain_uuid, state=DomainState.OFF, reason="destroyed")

    async def go_away(self) -> None:
        self.driver.go_away()

    async def come_back(self) -> None:
        self.driver.come_back()


class LibvirtRig:
    """The rig of :class:`LibvirtDriver` on the sandbox."""

    def __init__(self, sandbox: LibvirtSandbox, **options: Any) -> None:
        self.sandbox = sandbox
        self.driver = LibvirtDriver(sandbox.uri, **options)

    async def make(self, name: str, display: str = "vnc", *, running: bool = True, booted: bool = False) -> uuid.UUID:
        return await self.define(name, running=running, booted=booted, graphics=REAL_GRAPHICS[display])

    async def define(self, name: str, *, running: bool = True, booted: bool = False, **variant: Any) -> uuid.UUID:
        """A guest with the given fields of the sandbox's ``GuestSpec``."""
        if running:
            text = await asyncio.to_thread(self.sandbox.start_demo, name, wait=booted, **variant)
        else:
            text = await asyncio.to_thread(self.sandbox.define_demo, name, **variant)
        return uuid.UUID(text)

    async def virsh(self, *arguments: str) -> str:
        """Runs virsh behind the driver's back."""
        return await asyncio.to_thread(self.sandbox.virsh, *arguments)

    async def make_network(self) -> None:
        await asyncio.to_thread(self.sandbox.make_network)

    async def seeds_of(self, domain: Domain) -> str:
        return await asyncio.to_thread(self.sandbox.read_open, str(domain.uuid), f"seed-{domain.uuid}.iso")

    async def undefine(self, domain_uuid: uuid.UUID) -> None:
        await self.virsh("undefine", str(domain_uuid))

    async def stop(self, domain_uuid: uuid.UUID) -> None:
        await self.virsh("destroy", str(domain_uuid))

    async def go_away(self) -> None:
        await asyncio.to_thread(self.sandbox.kill)

    async def come_back(self) -> None:
        await asyncio.to_thread(self.sandbox.start)


async def shut_down(driver: Driver, log: EventLog, domain_uuid: uuid.UUID) -> Event:
    """Asks until the guest is off: one that is still booting may not have its hand on the power button yet."""
    log.events.clear()  # a guest is off, too, between its definition and its start
    for _ in range(10):
        with contextlib.suppress(DomainOff):
            assert (await driver.change_state(domain_uuid, StateAction.SHUTDOWN)).uuid == domain_uuid
        with contextlib.suppress(TimeoutError):
            return await log.wait_for_state(domain_uuid, DomainState.OFF, seconds=4)
    raise TimeoutError("the guest does not shut down")


async def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> float:
    """Waits until `condition` holds, and tells how many seconds that took. Raises TimeoutError."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (a condition of the world outside, which tells nobody)
            await asyncio.sleep(0.01)
    return time.monotonic() - began


async def receive(display: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes. Raises TimeoutError after 10 seconds, EOFError at the end."""
    loop = asyncio.get_running_loop()
    data = b""
    async with asyncio.timeout(10):
        while len(data) < size:
            chunk = await loop.sock_recv(display, size - len(data))
            if not chunk:
                raise EOFError(f"{data!r} and no more")
            data += chunk
    return data


async def receive_until(line: socket.socket, wanted: bytes, *, seconds: float = 10.0) -> bytes:
    """What came until it held `wanted`; with nothing wanted, until the end. Raises TimeoutError, EOFError, each with what came."""
    loop = asyncio.get_running_loop()
    data = b""
    try:
        async with asyncio.timeout(seconds):
            while not wanted or wanted not in data:
                chunk = await loop.sock_recv(line, 4096)
                if not chunk:
                    if not wanted:
                        return data
                    raise EOFError(f"{data!r} and no more")
                data += chunk
    except TimeoutError:
        raise TimeoutError(f"{data!r} and no more within {seconds:.0f} s") from None
    return data


async def prompt(rig: LibvirtRig, domain_uuid: uuid.UUID) -> socket.socket:
    """A demo guest's serial line, once a shell waits there. Raises TimeoutError."""
    line = await rig.driver.open_console(domain_uuid, ConsoleKind.SERIAL)
    loop = asyncio.get_running_loop()
    seen = b""
    async with asyncio.timeout(BOOT_SECONDS):
        while b":~#" not in seen:
            with contextlib.suppress(TimeoutError):  # a prompt that was there before is shown again
                async with asyncio.timeout(1):
                    await loop.sock_sendall(line, b"\n")
                    seen += await loop.sock_recv(line, 4096)
    return line


async def do(rig: LibvirtRig, domain_uuid: uuid.UUID, command: bytes, *, until: bytes) -> None:
    """Has a demo guest's shell do that, once it has booted, and waits for `until` on its line. Raises TimeoutError, EOFError.

    A line that is closed at once may take the command with it.
    """
    with await prompt(rig, domain_uuid) as line:
        await asyncio.get_running_loop().sock_sendall(line, command)
        await receive_until(line, until, seconds=BOOT_SECONDS)


async def rfb_handshake(display: socket.socket) -> bytes:
    """Goes through RFB 3.8 (RFC 6143, 7.1) without a password up to ServerInit, and returns the security types offered."""
    loop = asyncio.get_running_loop()
    assert await receive(display, 12) == b"RFB 003.008\n"
    await loop.sock_sendall(display, b"RFB 003.008\n")
    (count,) = await receive(display, 1)
    types = await receive(display, count)
    await loop.sock_sendall(display, b"\x01")
    assert await receive(display, 4) == bytes(4), "the security handshake failed"
    await loop.sock_sendall(display, b"\x01")
    server_init = await receive(display, 24)
    await receive(display, int.from_bytes(server_init[20:], "big"))
    return types
