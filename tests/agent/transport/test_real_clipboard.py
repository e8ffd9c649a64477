"""What a real guest copies, through real QEMU and the relay: to who has the keyboard, and to nobody else; and back again."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import websockets.asyncio.client
from eve_agent.config import Address
from eve_agent.service.identity import Identity
from eve_agent.transport.server import AgentServer
from eve_agent.wire.domain import Domain, StateAction
from eve_agent.wire.snapshots import SnapshotSpec

from tests.agent import pki
from tests.agent.driver.making import MIB, Shop
from tests.agent.driver.rig import LibvirtRig, do
from tests.services.libvirt import LibvirtSandbox

from .test_real_guest import Host, Viewer

SECRET = "naïve 🐧".encode()
CHANNEL = "<channel type='qemu-vdagent'>"
_TEXT, _CAPS, _REQUEST, _NOTIFY, _PROVIDE = 1, 1 << 24, 1 << 25, 1 << 27, 1 << 28
_EXTENDED_CLIPBOARD = (0xC0A1E5CE).to_bytes(4, "big")


def agent_says(kind: int, data: bytes) -> bytes:
    """A message of spice-vdagent's (source: vd_agent.h of spice-protocol)."""
    message = struct.pack("<IIQI", 1, kind, 0, len(data)) + data
    return struct.pack("<II", 1, len(message)) + message


COPIES = b"".join(
    (
        agent_says(6, struct.pack("<II", 0, 1 << 5)),  # what it can do: the clipboard, by demand
        agent_says(7, struct.pack("<I", 1)),  # it has text
        agent_says(4, struct.pack("<I", 1) + SECRET),
    )
)
COPY = (
    b"p=$(dirname $(grep -l spice /sys/class/virtio-ports/*/name)); exec 3<>/dev/${p##*/}; printf '"
    + b"".join(b"\\%03o" % byte for byte in COPIES)
    + b"' >&3; echo copied-$((1+1))\n"
)


class ClipboardViewer(Viewer):
    """Knows the extended clipboard, and asks for whatever it is told of."""

    async def join(self) -> None:
        """Up to where it and QEMU have told each other what they can do."""
        await self.handshake()
        await self._console.send(struct.pack(">BxH", 2, 2) + bytes(4) + _EXTENDED_CLIPBOARD)
        assert (await self.message())[0] & _CAPS

    async def message(self) -> tuple[int, bytes]:
        """The next message, which has to be one of the clipboard's: its flags, and what follows."""
        kind, length, flags = struct.unpack(">B3xiI", await self.read(12))
        assert kind == 3
        return flags, await self.read(-length - 4)

    async def ask(self) -> None:
        """For the text."""
        await self._console.send(struct.pack(">B3xiI", 6, -4, _REQUEST | _TEXT))


@pytest_asyncio.fixture
async def rig(libvirt_sandbox: LibvirtSandbox) -> AsyncIterator[LibvirtRig]:
    """A host that offers the clipboard, whatever it costs."""
    rig = LibvirtRig(libvirt_sandbox, clipboard="on")
    await rig.driver.start()
    yield rig
    await rig.driver.close()
    await asyncio.to_thread(libvirt_sandbox.remove_all)


@pytest_asyncio.fixture
async def machine(rig: LibvirtRig) -> Domain:
    """One that Eve made there, which runs."""
    made = await Shop(rig.driver).machine(memory_bytes=192 * MIB)
    await asyncio.to_thread(rig.sandbox.give_system, str(made.uuid))
    return await rig.driver.change_state(made.uuid, StateAction.START)


@pytest_asyncio.fixture
async def host(tmp_path: Path, rig: LibvirtRig, machine: Domain) -> AsyncIterator[Host]:
    authority = pki.Authority.make()
    eve = authority.client()
    folder = pki.write_identity(tmp_path / "identity", authority, authority.issue(), (eve.fingerprint,))
    server = AgentServer(Identity(folder), rig.driver)
    await server.start(Address("127.0.0.1", 0))
    yield Host(server, tmp_path, authority, eve, machine.uuid)
    await server.close()


async def joined(console: websockets.asyncio.client.ClientConnection) -> ClipboardViewer:
    viewer = ClipboardViewer(console)
    await viewer.join()
    return viewer


@pytest.mark.timeout(300)
async def test_a_guests_text_goes_to_who_has_the_keyboard(rig: LibvirtRig, machine: Domain, host: Host):
    async with host.console("control") as first, host.console("view") as second:
        owner, spectator = await joined(first), await joined(second)
        await do(rig, machine.uuid, COPY, until=b"copied-2")
        for viewer in (owner, spectator):
            assert (await viewer.message())[0] == _NOTIFY | _TEXT
            await viewer.ask()
        flags, data = await owner.message()
        assert flags == _PROVIDE | _TEXT
        assert zlib.decompress(data)[4:].rstrip(b"\0") == SECRET
        assert await spectator.update() == b"\x00", "a picture, and no text before it"


async def test_it_takes_no_snapshot_from_a_machine_unless_it_is_told_to(
    libvirt_sandbox: LibvirtSandbox, rig: LibvirtRig, machine: Domain
):
    assert CHANNEL in await rig.virsh("dumpxml", str(machine.uuid))
    careful = LibvirtRig(libvirt_sandbox)
    await careful.driver.start()
    shop = Shop(careful.driver)
    usual = await shop.machine(await shop.disk(), name="usual")
    await careful.driver.change_state(usual.uuid, StateAction.START)
    made = await careful.driver.make_snapshot(
        usual.uuid, usual.uuid, SnapshotSpec(title="with memory", with_memory=True)
    )
    assert made.with_memory
    await careful.driver.close()
