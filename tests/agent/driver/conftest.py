"""Drivers to test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.agent.driver.rig import EventLog, FakeRig, LibvirtRig, Rig


async def _rfb_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """RFB 3.8 without authentication up to ServerInit (RFC 6143, 7.1 to 7.3)."""
    try:
        writer.write(b"RFB 003.008\n")
        await reader.readexactly(12)
        writer.write(b"\x01\x01")
        await reader.readexactly(1)
        writer.write(bytes(4))
        await reader.readexactly(1)
        writer.write((640).to_bytes(2) + (480).to_bytes(2) + bytes(16) + (4).to_bytes(4) + b"fake")
        await reader.read()
    except asyncio.IncompleteReadError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def rfb_address() -> AsyncIterator[tuple[str, int]]:
    """Where an RFB server without authentication listens."""
    server = await asyncio.start_server(_rfb_server, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()


@pytest.fixture
async def fake_rig(rfb_address: tuple[str, int]) -> AsyncIterator[FakeRig]:
    rig = FakeRig(rfb_address)
    await rig.driver.start()
    yield rig
    await rig.driver.close()


@pytest.fixture
async def libvirt_rig(request: pytest.FixtureRequest) -> AsyncIterator[LibvirtRig]:
    sandbox = request.getfixturevalue("libvirt_sandbox")
    rig = LibvirtRig(sandbox)
    await rig.driver.start()
    yield rig
    await rig.driver.close()
    await asyncio.to_thread(sandbox.remove_all)


@pytest.fixture(params=["fake", "libvirt"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each driver in turn."""
    found: Rig = request.getfixturevalue(f"{request.param}_rig")
    return found


@pytest.fixture
async def log(rig: Rig) -> EventLog:
    """What the driver tells from here on."""
    return EventLog(rig.driver)
