"""Consoles at agents whose contract is one version older or newer, as they were recorded: both ways of relaying, and a refusal."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_thread
from channels.testing import WebsocketCommunicator
from eve_agent.wire.close import CloseCode
from eve_agent.wire.console import ConsoleMode, ConsoleRequest
from eve_agent.wire.version import CONTRACT_VERSION

from consoles.framing import FrameTracker, close_words
from consoles.link import open_link
from consoles.models import ConsoleSession
from consoles.pump import splice
from consoles.relay import Ending
from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.tls import agent_tls
from tests.cast import Cast
from tests.consoles.conftest import pytest_asyncio_loop_factories, websocket
from tests.consoles.test_pump import HeldViewer, send, tcp_pair
from tests.factories import make_vm
from tests.hypervisors.conftest import Serve, ca, serve
from tests.hypervisors.replay import VERSIONS, Record, recorded, replaying, said_by_agent
from vms.models import Vm

__all__ = ["ca", "pytest_asyncio_loop_factories", "serve"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("version", VERSIONS)]


@pytest.fixture
def hypervisor(committed_cast: Cast) -> Hypervisor:
    """Whose agent is replayed."""
    return committed_cast.hypervisor_here


@pytest.fixture
def record(version: int, hypervisor: Hypervisor, serve: Serve) -> Record:
    """What the agent at the hypervisor's address says."""
    found = recorded(version)
    serve(replaying(found))
    Hypervisor.objects.filter(pk=hypervisor.pk).update(state=HypervisorState.ONLINE)
    return found


def end_of(version: int) -> int:
    """What the recorded display ended with; the newer agent's code is one that nobody knows yet."""
    return 4099 if version > CONTRACT_VERSION else CloseCode.DISPLAY_LOST


async def opened(cast: Cast, vm: Vm) -> WebsocketCommunicator:
    """The console of `vm`, as a program of the operator's opens it."""
    token = await in_thread(cast.token)(cast.operator)
    socket = websocket(vm.pk, query=f"token={token}&mode=control")
    assert (await socket.connect(timeout=10))[0]
    return socket


async def ended_with(socket: WebsocketCommunicator) -> Any:
    message = await socket.receive_output(timeout=10)
    assert message["type"] == "websocket.close"
    return message["code"]


async def test_a_console_from_banner_to_end(version: int, record: Record, committed_cast: Cast, hypervisor: Hypervisor):
    vm = await in_thread(make_vm)(committed_cast.acme, hypervisor, id=uuid.UUID(record["domain"]))
    socket = await opened(committed_cast, vm)
    for who, text in record["console"][2:]:
        if who == "eve":
            await socket.send_to(bytes_data=text.encode("latin-1"))
    expected = b"".join(_payloads(said_by_agent(record["console"])))
    seen = b""
    while len(seen) < len(expected):
        piece = await socket.receive_from(timeout=10)
        assert isinstance(piece, bytes)
        seen += piece
    assert seen == expected
    assert seen.startswith(b"RFB 003.008\n")
    assert await ended_with(socket) == end_of(version)
    await socket.disconnect()
    session = await in_thread(ConsoleSession.objects.get)()
    assert (session.close_code, session.bytes_to_viewer) == (end_of(version), len(expected))


async def test_its_sockets_are_spliced(version: int, record: Record, hypervisor: Hypervisor):
    trust = await in_thread(agent_tls)(hypervisor)
    wanted = ConsoleRequest(session=uuid.UUID(record["session"]), mode=ConsoleMode.CONTROL)
    link = await open_link(trust, wanted, domain=record["domain"], timeout_seconds=5)
    far, near = await tcp_pair()
    held = HeldViewer()
    await asyncio.get_running_loop().create_connection(lambda: held, sock=near)
    pump = splice(held, link)
    over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    pump.start(over.set_result)
    mask = b"\x01\x02\x03\x04"
    for who, text in record["console"][2:]:
        if who == "eve":
            data = text.encode("latin-1")
            masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
            await send(far, bytes((0x82, 0x80 | len(data))) + mask + masked)
    async with asyncio.timeout(10):
        ending = await over
    assert ending.code == end_of(version)
    await pump.close(ending.code, ending.reason)
    seen = b""
    while piece := await asyncio.get_running_loop().sock_recv(far, 65536):
        seen += piece
    far.close()
    *said, _close = said_by_agent(record["console"])
    assert seen.startswith(b"".join(said))
    tracker = FrameTracker()
    tracker.feed(seen)
    assert tracker.close_payload is not None
    assert close_words(tracker.close_payload)[0] == end_of(version)


async def test_a_machine_that_is_off_is_said_to_be(
    version: int, record: Record, committed_cast: Cast, hypervisor: Hypervisor
):
    vm = await in_thread(make_vm)(committed_cast.acme, hypervisor, id=uuid.UUID(record["off_domain"]))
    socket = await opened(committed_cast, vm)
    assert await ended_with(socket) == CloseCode.VM_OFF
    session = await in_thread(ConsoleSession.objects.get)()
    assert session.end_reason == "The virtual machine is off. Start it first."


def _payloads(said: list[bytes]) -> list[bytes]:
    """What the agent's binary frames carry, which are short."""
    found = []
    for frames in said:
        at = 0
        while at < len(frames):
            length = frames[at + 1]
            assert length < 126
            if frames[at] == 0x82:
                found.append(frames[at + 2 : at + 2 + length])
            at += 2 + length
    return found
