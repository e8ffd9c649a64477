"""The same relay at a real QEMU: keys arrive in a real guest, or do not."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import websockets.asyncio.client
from eve_agent.config import Address
from eve_agent.driver.libvirt import LibvirtDriver
from eve_agent.service.identity import Identity
from eve_agent.transport.server import AgentServer
from eve_agent.wire import paths
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER

from deploy.local import domain_xml
from tests.agent import pki
from tests.services.libvirt import LibvirtSandbox

GUEST = "relay"
ENTER = 0xFF0D
SHIFT = 0xFFE1
SHIFTED = {">": "."}


@pytest.fixture(scope="module")
def guest(libvirt_sandbox: LibvirtSandbox) -> uuid.UUID:
    return uuid.UUID(libvirt_sandbox.start_demo(GUEST, graphics=(domain_xml.Graphics(password="not4you"),)))


class Viewer:
    """A very small RFB client: takes what it is sent, asks for nothing."""

    def __init__(self, console: websockets.asyncio.client.ClientConnection) -> None:
        self._console = console
        self._buffer = b""

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(10):
            while len(self._buffer) < count:
                piece = await self._console.recv()
                assert isinstance(piece, bytes)
                self._buffer += piece
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    async def handshake(self) -> str:
        """Asks for an exclusive session; returns the desktop's name."""
        assert await self.read(12) == b"RFB 003.008\n"
        await self._console.send(b"RFB 003.008\n")
        (count,) = await self.read(1)
        assert await self.read(count) == b"\x01"  # no password, though the display has one: SKIPAUTH
        await self._console.send(b"\x01")
        assert await self.read(4) == bytes(4)
        await self._console.send(b"\x00")
        head = await self.read(24)
        return (await self.read(int.from_bytes(head[20:24], "big"))).decode()

    async def update(self) -> bytes:
        """Asks for a repaint of one pixel, and waits for it."""
        await self._console.send(b"\x03\x00" + bytes(4) + b"\x00\x01\x00\x01")
        return await self.read(1)

    async def key(self, keysym: int) -> None:
        for down in (1, 0):
            await self._console.send(bytes((4, down, 0, 0)) + keysym.to_bytes(4, "big"))
            await asyncio.sleep(0.02)

    async def type(self, text: str) -> None:
        """Presses the keys of a US keyboard."""
        for char in text:
            if char in SHIFTED:
                await self._console.send(bytes((4, 1, 0, 0)) + SHIFT.to_bytes(4, "big"))
                await self.key(ord(char))
                await self._console.send(bytes((4, 0, 0, 0)) + SHIFT.to_bytes(4, "big"))
            else:
                await self.key(ENTER if char == "\n" else ord(char))


class Host:
    """An agent on the sandbox's libvirt."""

    def __init__(self, server: AgentServer, folder: Path, authority: pki.Authority, eve: pki.Leaf, guest: uuid.UUID):
        self.server = server
        self._context = pki.client_context(folder, authority, eve)
        self._context.check_hostname = False
        self._guest = guest

    def console(self, mode: str) -> websockets.asyncio.client.connect:
        path = paths.domain_path(paths.DOMAIN_CONSOLE, self._guest)
        return websockets.asyncio.client.connect(
            f"wss://localhost:{self.server.addresses[0].port}{path}?session={uuid.uuid4()}&mode={mode}",
            ssl=self._context,
            additional_headers={VERSION_HEADER: str(CONTRACT_VERSION)},
            compression=None,
            max_size=None,
        )


@pytest_asyncio.fixture
async def host(tmp_path: Path, libvirt_sandbox: LibvirtSandbox, guest: uuid.UUID) -> AsyncIterator[Host]:
    authority = pki.Authority.make()
    eve = authority.client()
    folder = pki.write_identity(tmp_path / "identity", authority, authority.issue(), (eve.fingerprint,))
    driver = LibvirtDriver(uri=libvirt_sandbox.uri)
    await driver.start()
    server = AgentServer(Identity(folder), driver)
    await server.start(Address("127.0.0.1", 0))
    yield Host(server, tmp_path, authority, eve, guest)
    await server.close()
    await driver.close()


async def arrives(sandbox: LibvirtSandbox, text: str, *, seconds: float = 20) -> bool:
    """Whether the guest writes `text` to its serial port in time."""
    try:
        await asyncio.to_thread(sandbox.wait_for_serial, GUEST, text, seconds=seconds)
    except TimeoutError:
        return False
    return True


async def test_two_people_and_a_spectator_at_one_guest(host: Host, libvirt_sandbox: LibvirtSandbox):
    async with host.console("control") as first, host.console("control") as second, host.console("view") as third:
        one, two, three = Viewer(first), Viewer(second), Viewer(third)
        for viewer in (one, two, three):
            assert (await viewer.handshake()).startswith("QEMU")
        await three.type("echo spectator > /dev/ttyS0\n")
        assert await three.update() == b"\x00"
        await two.type("echo second > /dev/ttyS0\n")
        assert await arrives(libvirt_sandbox, "second")
        await one.type("echo first > /dev/ttyS0\n")  # who asked for an exclusive session threw nobody out
        assert await arrives(libvirt_sandbox, "first")
        assert "spectator" not in libvirt_sandbox.serial_text(GUEST)


async def test_a_console_survives_libvirtd(host: Host, libvirt_sandbox: LibvirtSandbox):
    async with host.console("control") as console:
        viewer = Viewer(console)
        await viewer.handshake()
        await asyncio.to_thread(libvirt_sandbox.kill)
        try:
            await viewer.type("echo survivor > /dev/ttyS0\n")
            assert await arrives(libvirt_sandbox, "survivor")
        finally:
            await asyncio.to_thread(libvirt_sandbox.start)
