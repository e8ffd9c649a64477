"""The relay under a server that takes all it is given: what is held for a viewer is the kernel's to say, not the viewer's."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from typing import cast

import pytest
from eve_agent.transport.websocket import Opcode, frame
from eve_agent.wire.close import CloseCode

from consoles import frames
from consoles.backlog import Backlog
from consoles.frames import FrameRelay
from consoles.link import AgentLink
from consoles.relay import Ending

from .conftest import StubLink

KIB = 1024
MIB = 1024 * KIB


class Greedy:
    """A server that takes whatever it is given, with a viewer at its other end."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.viewer = socket.create_connection(server.getsockname())
            self.near, _address = server.accept()
        for sock in (self.viewer, self.near):
            sock.setblocking(False)
        self.waiting = bytearray()
        self.most = 0
        self.closed: list[tuple[int, str]] = []

    @property
    def backlog(self) -> Backlog:
        return Backlog((self.near.getpeername(), self.near.getsockname()))

    async def send(self, data: bytes) -> None:
        self.waiting += frame(Opcode.BINARY, data)
        self.most = max(self.most, len(self.waiting))
        self.flush()

    def flush(self) -> None:
        while self.waiting:
            try:
                del self.waiting[: self.near.send(self.waiting)]
            except BlockingIOError:
                return

    async def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    def relay(self, link: StubLink) -> FrameRelay:
        return FrameRelay(cast(AgentLink, link), send_bytes=self.send, close_viewer=self.close, backlog=self.backlog)


@pytest.fixture
def server() -> Iterator[Greedy]:
    made = Greedy()
    yield made
    made.viewer.close()
    made.near.close()


async def test_a_viewer_that_talks_and_takes_nothing_is_too_slow(
    server: Greedy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "PAUSE_SECONDS", 0.5)
    link = StubLink()
    relay = server.relay(link)
    over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    relay.start(over.set_result)
    for _ in range(400):
        link.show(bytes(64 * KIB))
        await relay.from_viewer(b"next, please")
        await asyncio.sleep(0)
    ending = await asyncio.wait_for(over, 10)
    assert ending.code == CloseCode.TOO_SLOW
    assert server.most < 8 * MIB


async def test_a_viewer_that_takes_all_gets_all(server: Greedy) -> None:
    """However much at once, and without a word."""
    link = StubLink()
    relay = server.relay(link)
    over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    relay.start(over.set_result)
    for _ in range(400):
        link.show(bytes(64 * KIB))
    link.lose(CloseCode.VM_OFF)
    left = 400 * (64 * KIB + 10)
    async with asyncio.timeout(30):
        while left:
            server.flush()
            try:
                left -= len(server.viewer.recv(1 << 20))
            except BlockingIOError:
                await asyncio.sleep(0.01)
    assert (await asyncio.wait_for(over, 10)).code == CloseCode.VM_OFF
    assert server.most < 8 * MIB


async def test_pongs_of_the_servers_own_are_no_credit(server: Greedy) -> None:
    backlog = server.backlog
    server.near.send(bytes(64 * KIB))
    await asyncio.sleep(0.05)
    backlog.look()
    assert len(backlog) == 0
    backlog.sent(300 * KIB)
    assert len(backlog) == 300 * KIB + 10


def test_a_socket_that_is_gone_or_another_is_not_asked(server: Greedy) -> None:
    backlog = server.backlog
    assert backlog.is_known
    handle = server.near.fileno()
    with socket.socket() as other:
        os.dup2(other.fileno(), handle)  # the server closed it, and the number is used again
        backlog.look()
        assert not backlog.is_known
        os.fstat(handle)  # and is still open
    assert not Backlog((("192.0.2.1", 1), ("192.0.2.2", 2))).is_known
    assert not Backlog(None).is_known
