"""The pump between real sockets: bytes, back-pressure, liveness, and every way to end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
import pytest_asyncio
from eve_agent.transport.websocket import Opcode, frame
from eve_agent.wire.close import CloseCode

from consoles import pulse, pump
from consoles.errors import LinkLost
from consoles.framing import FrameTracker, close_frame, close_words
from consoles.link import AgentLink, open_link
from consoles.pump import Pump, splice
from consoles.relay import Ending
from tests.agent.stub import DOMAIN
from tests.agent.transport.conftest import Agent, agent

from .test_link import trust_of, wanted

__all__ = ["agent"]

MIB = 1024 * 1024


class Held(asyncio.Protocol):
    """A transport until somebody takes it: both the server's side and the link's."""

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.times_lost = 0
        self.on_shutdown: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.pause_reading()

    def lost(self) -> None:
        self.times_lost += 1


class HeldViewer(Held):
    def take(
        self, protocol: asyncio.BaseProtocol, on_shutdown: Callable[[], None]
    ) -> tuple[asyncio.Transport, Callable[[], None]]:
        self.on_shutdown = on_shutdown
        self.transport.set_protocol(protocol)
        return self.transport, self.lost


class HeldAgent(Held):
    def take(self, protocol: asyncio.BaseProtocol) -> tuple[asyncio.Transport, bytes]:
        self.transport.set_protocol(protocol)
        return self.transport, self.first


class Bench:
    """A pump with the far ends of both its sockets in the test's hands."""

    def __init__(self) -> None:
        self.viewer_held, self.agent_held = HeldViewer(), HeldAgent()
        self.pump: Pump
        self.over: asyncio.Future[Ending]
        self.viewer: socket.socket
        self.agent: socket.socket

    async def start(self, first: bytes = b"") -> Pump:
        loop = asyncio.get_running_loop()
        self.agent_held.first = first
        self.viewer, near_viewer = await tcp_pair()
        self.agent, near_agent = await tcp_pair()
        await loop.create_connection(lambda: self.viewer_held, sock=near_viewer)
        await loop.create_connection(lambda: self.agent_held, sock=near_agent)
        self.pump = splice(self.viewer_held, cast(AgentLink, self.agent_held))
        self.over = loop.create_future()
        self.pump.start(self.over.set_result)
        return self.pump

    async def read(self, sock: socket.socket, count: int) -> bytes:
        data = bytearray()
        async with asyncio.timeout(10):
            while len(data) < count:
                piece = await asyncio.get_running_loop().sock_recv(sock, min(1 << 18, count - len(data)))
                if not piece:
                    break
                data += piece
        return bytes(data)

    async def ending(self) -> Ending:
        async with asyncio.timeout(10):
            return await asyncio.shield(self.over)

    async def last_words(self) -> tuple[bytes, tuple[int, str]]:
        """All that the viewer gets to the end, and the close frame's code and reason."""
        data = await self.read(self.viewer, 1 << 40)
        tracker = FrameTracker()
        shown = tracker.feed(data)
        assert tracker.close_payload is not None, data[-200:]
        return shown, close_words(tracker.close_payload)


async def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection, for an event loop."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        far = socket.create_connection(server.getsockname())
        near, _address = server.accept()
    for sock in (far, near):
        sock.setblocking(False)
    return far, near


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    with contextlib.suppress(AttributeError):
        made.viewer.close()
        made.agent.close()
        await made.pump.close(CloseCode.NORMAL, "")


async def send(sock: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)


async def test_bytes_go_through_untouched_and_are_counted(bench: Bench) -> None:
    greeting = frame(Opcode.BINARY, b"RFB 003.008\n")
    await bench.start(first=greeting[:5])
    await send(bench.agent, greeting[5:])
    assert await bench.read(bench.viewer, len(greeting)) == greeting
    masked = b"\x82\x8cmaskabcdefghijkl"
    await send(bench.viewer, masked)
    assert await bench.read(bench.agent, len(masked)) == masked
    assert (bench.pump.bytes_to_viewer, bench.pump.bytes_from_viewer) == (len(greeting), len(masked))


async def test_a_viewer_that_does_not_read_holds_the_agent_back(bench: Bench) -> None:
    await bench.start()
    update = frame(Opcode.BINARY, bytes(MIB))
    sending = asyncio.create_task(send(bench.agent, update * 32))
    await asyncio.sleep(0.5)
    assert not sending.done()
    assert bench.viewer_held.transport.get_write_buffer_size() <= 1.5 * MIB
    assert await bench.read(bench.viewer, len(update) * 32) == update * 32
    await asyncio.wait_for(sending, 5)


async def test_the_agents_leg_moves_as_often_as_a_slow_viewers(bench: Bench) -> None:
    """Or else an agent takes a viewer that reads 16 KiB/s for one that stopped."""
    await bench.start()
    sending = asyncio.create_task(send(bench.agent, frame(Opcode.BINARY, bytes(MIB)) * 16))
    await asyncio.sleep(0.5)
    moved, waited, longest = bench.pump.bytes_to_viewer, 0, 0
    for _ in range(256):
        waited += len(await bench.read(bench.viewer, 16 * 1024))
        await asyncio.sleep(0.002)
        if bench.pump.bytes_to_viewer > moved:
            moved, waited, longest = bench.pump.bytes_to_viewer, 0, max(longest, waited)
    assert longest <= 400 * 1024
    sending.cancel()


async def test_an_agent_that_does_not_read_holds_the_viewer_back(bench: Bench) -> None:
    await bench.start()
    sending = asyncio.create_task(send(bench.viewer, bytes(32 * MIB)))
    await asyncio.sleep(0.5)
    assert not sending.done()
    assert bench.agent_held.transport.get_write_buffer_size() <= 1.5 * MIB
    assert len(await bench.read(bench.agent, 32 * MIB)) == 32 * MIB
    await asyncio.wait_for(sending, 5)


async def test_in_the_middle_of_a_frame_it_ends_at_a_border(bench: Bench) -> None:
    await bench.start()
    update = frame(Opcode.BINARY, b"x" * 70_000)
    await send(bench.agent, update[:1000])
    await bench.read(bench.viewer, 1000)
    closing = asyncio.create_task(bench.pump.close(CloseCode.ACCESS_ENDED, "signed out"))
    await asyncio.sleep(0.1)
    await send(bench.viewer, b"\x88\x82mask\x6b\xc0")
    rest = bytes(len(update) - 1000) + close_frame(CloseCode.ACCESS_ENDED, "signed out")
    assert await bench.read(bench.viewer, len(rest)) == rest
    bench.viewer.close()
    await asyncio.wait_for(closing, 1)
    assert await bench.read(bench.agent, 1) == b""
    assert bench.viewer_held.times_lost == 1


async def test_a_viewer_that_does_not_answer_the_close_is_cut(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "CLOSE_SECONDS", 0.2)
    await bench.start()
    await asyncio.wait_for(bench.pump.close(CloseCode.VM_GONE, ""), 2)
    shown, words = await bench.last_words()
    assert (shown, words) == (b"", (CloseCode.VM_GONE, ""))


async def test_a_viewer_that_answers_the_close_is_not_kept_waiting(bench: Bench) -> None:
    await bench.start()
    await send(bench.agent, close_frame(CloseCode.NORMAL, ""))
    ending = await bench.ending()
    closing = asyncio.create_task(bench.pump.close(ending.code, ending.reason))
    assert await bench.last_words() == (b"", (CloseCode.NORMAL, ""))
    await send(bench.viewer, b"\x88\x82mask\x6e\x89")
    bench.viewer.close()
    await asyncio.wait_for(closing, 0.5)


async def test_after_the_end_nothing_reaches_the_agent(bench: Bench) -> None:
    await bench.start()
    closing = asyncio.create_task(bench.pump.close(CloseCode.ACCESS_ENDED, ""))
    await asyncio.sleep(0)
    await send(bench.viewer, b"\x82\x84maskdata" * 100)
    assert await bench.read(bench.agent, 1) == b""
    bench.viewer.close()
    await asyncio.wait_for(closing, 1)
    assert bench.pump.bytes_from_viewer == 0


async def test_the_agents_close_keeps_its_code_and_its_words_are_for_the_log(bench: Bench) -> None:
    await bench.start()
    update = frame(Opcode.BINARY, b"last picture")
    await send(bench.agent, update + close_frame(CloseCode.DISPLAY_LOST, "off\x07\u202enow"))
    ending = await bench.ending()
    assert (ending.code, ending.viewer_is_gone) == (CloseCode.DISPLAY_LOST, False)
    assert (ending.reason, ending.said) == ("", "off now")
    assert await bench.read(bench.viewer, len(update)) == update


async def test_nonsense_of_the_agent_ends_it(bench: Bench) -> None:
    await bench.start()
    await send(bench.agent, b"HTTP/1.1 500 Oops\r\n\r\n")
    assert (await bench.ending()).code == CloseCode.INTERNAL_ERROR


@pytest.mark.parametrize("who", ["viewer", "agent"])
async def test_either_side_may_just_be_gone(bench: Bench, who: str) -> None:
    await bench.start()
    getattr(bench, who).close()
    ending = await bench.ending()
    assert not ending.is_a_guess
    assert (ending.code, ending.viewer_is_gone) == ((1006, True) if who == "viewer" else (CloseCode.HOST_AWAY, False))


async def test_an_agent_that_cuts_while_the_viewer_is_full_is_noticed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its close frame is lost behind what the viewer does not take: Eve cannot know why, and says so."""
    monkeypatch.setattr(pump, "TICK_SECONDS", 0.1)
    await bench.start()
    sending = asyncio.create_task(send(bench.agent, frame(Opcode.BINARY, bytes(MIB)) * 32))
    await asyncio.sleep(0.3)
    sending.cancel()
    bench.agent.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bench.agent.close()
    ending = await bench.ending()
    assert (ending.code, ending.is_a_guess) == (CloseCode.HOST_AWAY, True)


async def test_a_viewer_that_half_closes_and_stops_reading_is_let_go(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "CLOSE_SECONDS", 0.2)
    await bench.start()
    sending = asyncio.create_task(send(bench.agent, frame(Opcode.BINARY, bytes(MIB)) * 32))
    await asyncio.sleep(0.3)
    bench.viewer.shutdown(socket.SHUT_WR)
    ending = await bench.ending()
    assert (ending.code, ending.viewer_is_gone) == (1006, True)
    await bench.pump.close(ending.code, ending.reason)
    await asyncio.sleep(0.05)
    assert bench.viewer_held.times_lost == 1
    sending.cancel()


@pytest.mark.parametrize(("said", "code"), [(0xFFFF, 1011), (0, 1011), (999, 1011), (1000, 1000), (4014, 4014)])
async def test_an_agents_code_is_one_that_may_be_sent(bench: Bench, said: int, code: int) -> None:
    await bench.start()
    await send(bench.agent, close_frame(said, ""))
    assert (await bench.ending()).code == code


async def test_what_comes_after_the_end_is_not_written_to_a_closed_socket(bench: Bench) -> None:
    await bench.start()
    bench.pump.finish(Ending(CloseCode.ACCESS_ENDED))
    bench.pump.from_agent(frame(Opcode.BINARY, b"late"))
    await bench.pump.close(CloseCode.ACCESS_ENDED, "")
    assert await bench.last_words() == (b"", (CloseCode.ACCESS_ENDED, ""))


async def test_an_agent_that_left_at_once_leaves_the_viewer_to_the_server(bench: Bench) -> None:
    await bench.start()

    class Gone(HeldAgent):
        def take(self, protocol: asyncio.BaseProtocol) -> tuple[asyncio.Transport, bytes]:
            raise LinkLost(CloseCode.HOST_AWAY)

    class Untouched(HeldViewer):
        def take(self, protocol: asyncio.BaseProtocol, on_shutdown: Callable[[], None]) -> Any:
            raise AssertionError("taken")

    with pytest.raises(LinkLost):
        splice(Untouched(), cast(AgentLink, Gone()))


async def test_the_server_stops(bench: Bench) -> None:
    await bench.start()
    bench.viewer_held.on_shutdown()
    assert (await bench.ending()).code == CloseCode.SERVICE_RESTART


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(pulse, "STALLED_SECONDS", 0.5)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("who", ["viewer", "agent"])
async def test_a_side_that_takes_nothing_is_stalled(bench: Bench, who: str) -> None:
    await bench.start()
    far = bench.agent if who == "viewer" else bench.viewer
    sending = asyncio.create_task(send(far, frame(Opcode.BINARY, bytes(MIB)) * 64))
    ending = await bench.ending()
    assert ending.code == CloseCode.STALLED
    assert (who == "viewer") == ("viewer" in ending.reason)
    sending.cancel()


@pytest.mark.usefixtures("hasty")
async def test_a_slow_viewer_is_not_stalled(bench: Bench) -> None:
    await bench.start()
    sending = asyncio.create_task(send(bench.agent, frame(Opcode.BINARY, bytes(MIB)) * 64))
    for _ in range(15):
        await asyncio.sleep(0.1)
        await bench.read(bench.viewer, 256 * 1024)
    assert not bench.over.done()
    sending.cancel()


@pytest.mark.usefixtures("hasty")
async def test_an_agent_that_does_not_even_ping_is_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "SILENT_SECONDS", 0.4)
    await bench.start()
    for _ in range(8):
        await asyncio.sleep(0.1)
        await send(bench.agent, frame(Opcode.PING, b""))
    assert not bench.over.done()
    assert (await bench.ending()).code == CloseCode.HOST_AWAY


@pytest.mark.parametrize("who", ["viewer", "agent"])
async def test_nothing_of_an_ended_consoles_tls_waits_for_the_collector(agent: Agent, who: str) -> None:
    """It has 192 KiB of buffers, of which the collector knows nothing: a hundred would be 20 MiB before it comes."""
    far, near = await tcp_pair()
    _transport, held = await asyncio.get_running_loop().create_connection(HeldViewer, sock=near)
    gc.disable()
    try:
        link = await open_link(trust_of(agent), wanted(), domain=DOMAIN, timeout_seconds=5)
        ended = splice(held, link)
        tls = weakref.ref(link._transport.get_extra_info("ssl_object"))  # type: ignore[union-attr] # it is open
        over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        ended.start(over.set_result)
        far.close() if who == "viewer" else (await agent.display()).close()
        await asyncio.wait_for(over, 5)
        await ended.close(CloseCode.NORMAL, "")
        del held, link, ended, over
        async with asyncio.timeout(5):
            while tls() is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        gc.enable()
        far.close()
