"""A console from its request to its end, through the real TLS, HTTP and relay, at a display on a socket pair."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
import websockets
from eve_agent.service.consoles import REMEMBERED_SECONDS
from eve_agent.transport.relay import DISPLAY_HIGH_BYTES, VIEWER_HIGH_BYTES
from eve_agent.wire import paths
from eve_agent.wire.close import CloseCode

from tests.agent.stub import DOMAIN, OFF_DOMAIN, Display
from tests.agent.transport.conftest import Agent, start_agent

HELLO = b"RFB 003.008\n"
HANDSHAKE = HELLO + b"\x01" + b"\x00"
HANDSHAKE_OUT = HELLO + b"\x01" + b"\x01"
KEY = bytes((4, 1, 0, 0, 0, 0, 0, 97))
REPAINT = bytes((3, 1, 0, 0, 0, 0, 0, 9, 0, 9))
PATH = paths.domain_path(paths.DOMAIN_CONSOLE, DOMAIN)


def session_path(session: uuid.UUID) -> str:
    return paths.domain_path(paths.DOMAIN_CONSOLE_SESSION, DOMAIN, session=session)


def upgrade(path: str) -> bytes:
    """A console request by hand."""
    return (
        f"GET {path}?session={uuid.uuid4()} HTTP/1.1\r\nHost: x\r\nEve-Contract: 1\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


async def ended_with(console: websockets.ClientConnection) -> int | None:
    """The code that a console was closed with."""
    async with asyncio.timeout(8):
        while True:
            try:
                await console.recv()
            except websockets.ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None


async def drain(display: Display) -> None:
    """Takes what the display gets until its end."""
    while await display.receive(1 << 16):
        pass


async def all_closed(agent: Agent) -> None:
    async with asyncio.timeout(8):
        while len(agent.server.consoles):  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.01)


async def test_bytes_flow_both_ways(agent: Agent):
    async with agent.console() as console:
        assert console.response.headers["Eve-Contract"] == "2"
        assert "Sec-WebSocket-Extensions" not in console.response.headers
        display = await agent.display()
        await display.send(HELLO)
        assert await console.recv() == HELLO
        await console.send(HANDSHAKE)
        assert await display.receive(len(HANDSHAKE)) == HANDSHAKE_OUT
        await console.send(KEY)
        assert await display.receive(8) == KEY
        picture = os.urandom(3_000_000)
        sender = asyncio.create_task(display.send(picture))
        received = b""
        while len(received) < len(picture):
            received += await console.recv()
        await sender
        assert received == picture
    assert await display.receive(1) == b""
    await all_closed(agent)
    assert agent.server.consoles.ends == {"normal": 1}
    assert agent.server.consoles.bytes_to_viewers == len(HELLO) + len(picture)
    assert agent.server.consoles.bytes_from_viewers == len(HANDSHAKE) + len(KEY)


@pytest.mark.parametrize("is_gone", [False, True])
async def test_a_display_that_speaks_before_anybody_listens(agent: Agent, is_gone: bool):
    agent.driver.greeting = HELLO
    open_console = agent.driver.open_console

    async def open_and_close(*arguments, **options):
        ours = await open_console(*arguments, **options)
        if is_gone:
            agent.driver.kept[-1].close()
        return ours

    agent.driver.open_console = open_and_close
    async with agent.console() as console:
        assert await asyncio.wait_for(console.recv(), 5) == HELLO
        if is_gone:
            assert await ended_with(console) == CloseCode.DISPLAY_LOST


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
async def test_frames_of_every_length(agent: Agent, size: int):
    async with agent.console() as console:
        display = await agent.display()
        await console.send(HANDSHAKE)
        await display.receive(len(HANDSHAKE))
        text = bytes((6, 0, 0, 0)) + size.to_bytes(4, "big") + os.urandom(size)
        receiver = asyncio.create_task(display.receive(len(text)))
        await console.send(text)
        assert await receiver == text
        assert await (await console.ping(b"still there")) >= 0


async def test_fragments(agent: Agent):
    async with agent.console() as console:
        display = await agent.display()
        await console.send([HANDSHAKE[:5], HANDSHAKE[5:], KEY[:3], KEY[3:]])
        assert await display.receive(len(HANDSHAKE) + len(KEY)) == HANDSHAKE_OUT + KEY


async def test_a_viewer_who_only_looks(agent: Agent):
    async with agent.console(mode="view") as console:
        display = await agent.display()
        await console.send(HANDSHAKE + KEY + REPAINT + KEY)
        assert await display.receive(len(HANDSHAKE) + len(REPAINT)) == HANDSHAKE_OUT + REPAINT
        await console.send(bytes([77]))
        assert await ended_with(console) == CloseCode.BAD_MESSAGE
    assert await display.receive(1) == b""


async def test_the_mode_changes_live(agent: Agent):
    session = uuid.uuid4()
    async with agent.console(session=session) as console, agent.session() as eve:
        display = await agent.display()
        await console.send(HANDSHAKE + KEY)
        await display.receive(len(HANDSHAKE) + len(KEY))
        async with eve.patch(session_path(session), json={"mode": "view"}) as response:
            assert (await response.json())["mode"] == "view"
        await console.send(KEY + REPAINT)
        assert await display.receive(len(REPAINT)) == REPAINT
        async with eve.patch(session_path(session), json={"mode": "control"}) as response:
            assert (await response.json())["mode"] == "control"
        await console.send(KEY)
        assert await display.receive(8) == KEY


async def test_what_became_raw_is_ended_rather_than_demoted(agent: Agent):
    session = uuid.uuid4()
    async with agent.console(session=session) as console, agent.session() as eve:
        display = await agent.display()
        await console.send(HANDSHAKE + bytes([77]) + KEY)
        assert await display.receive(len(HANDSHAKE) + 9) == HANDSHAKE_OUT + bytes([77]) + KEY
        async with eve.patch(session_path(session), json={"mode": "view"}) as response:
            assert response.status == 404
        with suppress(websockets.ConnectionClosed):
            await console.send(KEY)
        assert await ended_with(console) == CloseCode.BAD_MESSAGE
        assert await display.receive(1) == b""


async def test_status_and_end_by_staff(agent: Agent):
    session = uuid.uuid4()
    async with agent.console(session=session) as console, agent.session() as eve:
        await agent.display()
        async with eve.get(session_path(session)) as response:
            status = await response.json()
            assert (status["session"], status["domain"]) == (str(session), str(DOMAIN))
        async with eve.delete(session_path(session)) as response:
            assert response.status == 200
        assert await ended_with(console) == CloseCode.ENDED_BY_STAFF
        await all_closed(agent)
        async with eve.delete(session_path(session)) as response:
            assert response.status == 404
            assert (await response.json())["code"] == "console_not_found"


async def test_what_a_viewer_was_too_slow_to_hear_can_be_asked_for(agent: Agent):
    """The close frame waits behind what the viewer does not take: the connection is reset, and the reason remembered."""
    session = uuid.uuid4()
    async with agent.session() as eve:
        console = await agent.console(session=session)
        display = await agent.display()
        console.transport.pause_reading()
        await flood(display.sock, 64 << 20)
        async with eve.get(session_path(session)) as response:
            assert (await response.json())["ended"] is None
        agent.server.consoles.end(DOMAIN, session, CloseCode.VM_OFF)
        await all_closed(agent)
        async with eve.get(session_path(session)) as response:
            assert (await response.json())["ended"] == CloseCode.VM_OFF
        state = console.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        assert state == bytes((7,))  # TCP_CLOSE
        other = paths.domain_path(paths.DOMAIN_CONSOLE_SESSION, OFF_DOMAIN, session=session)
        async with eve.get(other) as response:
            assert response.status == 404
        console.transport.abort()


async def test_what_was_ended_long_ago_is_forgotten(agent: Agent):
    session = uuid.uuid4()
    async with agent.console(session=session) as console, agent.session() as eve:
        await agent.display()
        agent.server.consoles.end(DOMAIN, session, CloseCode.VM_OFF)
        assert await ended_with(console) == CloseCode.VM_OFF
        await all_closed(agent)
        later = agent.server.consoles.clock() + REMEMBERED_SECONDS + 1
        agent.server.consoles.clock = lambda: later
        async with eve.get(session_path(session)) as response:
            assert response.status == 404


async def test_a_session_belongs_to_its_domain(agent: Agent):
    session = uuid.uuid4()
    async with agent.console(session=session), agent.session() as eve:
        await agent.display()
        other = paths.domain_path(paths.DOMAIN_CONSOLE_SESSION, OFF_DOMAIN, session=session)
        async with eve.delete(other) as response:
            assert response.status == 404
        assert len(agent.server.consoles) == 1


async def test_a_session_opens_once(agent: Agent):
    session = uuid.uuid4()
    async with agent.console(session=session):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await agent.console(session=session)
        assert refusal.value.response.status_code == 409
        assert json.loads(refusal.value.response.body)["code"] == "session_exists"


async def test_a_refusal_is_an_http_answer(agent: Agent):
    async with agent.session() as eve:
        path = paths.domain_path(paths.DOMAIN_CONSOLE, OFF_DOMAIN)
        asking = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        query = {"session": str(uuid.uuid4())}
        async with eve.get(path, headers=asking, params=query) as response:
            assert response.status == 409
            assert (await response.json())["code"] == "domain_off"
            assert response.headers["Connection"] == "close"
        assert len(agent.server.consoles) == 0
        wrong: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
            (asking | {"Upgrade": "h2c"}, query),
            (asking | {"Sec-WebSocket-Key": "short"}, query),
            (asking | {"Sec-WebSocket-Version": "8"}, query),
            (asking, {}),
            (asking, {"session": "1"}),
            (asking, query | {"mode": "root"}),
            (asking, query | {"idle_seconds": "-1"}),
            (asking, query | {"total_seconds": "1e9"}),
        )
        before = agent.driver.calls.copy()
        for headers, params in wrong:
            async with eve.get(PATH, headers=headers, params=params) as response:
                assert response.status == 400, (headers, params)
                assert (await response.json())["code"] == "bad_request"
        assert agent.driver.calls == before


async def test_the_display_goes_away(agent: Agent):
    async with agent.console() as console:
        display = await agent.display()
        await display.send(HELLO)
        display.close()
        assert await console.recv() == HELLO
        assert await ended_with(console) == CloseCode.DISPLAY_LOST


async def test_the_viewer_goes_away(agent: Agent):
    console = await agent.console()
    display = await agent.display()
    console.transport.abort()
    assert await display.receive(1) == b""
    await all_closed(agent)
    assert agent.server.consoles.ends == {"viewer_lost": 1}


CLIPBOARD = HANDSHAKE + bytes((6, 0, 0, 0)) + (1 << 30).to_bytes(4, "big")
BAD_FRAMES = {
    "text": (b"\x81\x81" + bytes(4) + b"a", CloseCode.UNSUPPORTED_DATA),
    "unmasked": (b"\x82\x01a", CloseCode.PROTOCOL_ERROR),
    "too long": (b"\x82\xff" + (2**20 + 1).to_bytes(8, "big") + bytes(4), CloseCode.MESSAGE_TOO_BIG),
    "negative length": (b"\x82\xff" + b"\xff" * 8 + bytes(4), CloseCode.PROTOCOL_ERROR),
    "length not shortest": (b"\x82\xfe\x00\x05" + bytes(9), CloseCode.PROTOCOL_ERROR),
    "long in fragments": (
        (bytes((0x82, 0x80 | len(CLIPBOARD))) + bytes(4) + CLIPBOARD)
        + (b"\x02\xff" + (2**19).to_bytes(8, "big") + bytes(4 + 2**19))
        + (b"\x00\xff" + (2**19 + 1).to_bytes(8, "big") + bytes(4)),
        CloseCode.MESSAGE_TOO_BIG,
    ),
    "reserved bit": (b"\xc2\x81" + bytes(5), CloseCode.PROTOCOL_ERROR),
    "reserved type": (b"\x83\x81" + bytes(5), CloseCode.PROTOCOL_ERROR),
    "continuation of nothing": (b"\x80\x81" + bytes(5), CloseCode.PROTOCOL_ERROR),
    "message in a message": (b"\x02\x80" + bytes(4) + b"\x82\x80" + bytes(4), CloseCode.PROTOCOL_ERROR),
    "fragmented ping": (b"\x09\x80" + bytes(4), CloseCode.PROTOCOL_ERROR),
    "long ping": (b"\x89\xfe\x00\x7e" + bytes(130), CloseCode.PROTOCOL_ERROR),
    "half a close code": (b"\x88\x81" + bytes(5), CloseCode.PROTOCOL_ERROR),
    "forbidden close code": (b"\x88\x82" + bytes(4) + (1005).to_bytes(2, "big"), CloseCode.PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_bad_frames_end_that_session_and_nothing_else(agent: Agent, name: str):
    data, code = BAD_FRAMES[name]
    async with agent.console() as other:
        await agent.display()
        console = await agent.console()
        display = await agent.display()
        drained = asyncio.create_task(drain(display))
        console.transport.write(data)
        assert await ended_with(console) == code
        await drained
        await asyncio.wait_for(await other.ping(), 5)
    await all_closed(agent)


async def test_smuggled_http_does_nothing(agent: Agent):
    """Bytes behind the upgrade are frames and never a request, whatever the upgrade was answered with."""
    smuggled = (
        f"PATCH {paths.domain_path(paths.DOMAIN_STATE, DOMAIN)} HTTP/1.1\r\nHost: x\r\nEve-Contract: 1\r\n"
        'Content-Length: 17\r\n\r\n{"action":"stop"}'
    ).encode()
    for path, status in ((PATH, b"101"), (paths.domain_path(paths.DOMAIN_CONSOLE, OFF_DOMAIN), b"409")):
        for wait in (False, True):
            reader, writer = await asyncio.open_connection("127.0.0.1", agent.port, ssl=agent.context())
            writer.write(upgrade(path) if wait else upgrade(path) + smuggled)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.split()[1] == status
            if wait:
                writer.write(smuggled)
            async with asyncio.timeout(5):
                assert b"HTTP/" not in await reader.read()
            writer.close()
    assert not [call for call in agent.driver.calls if call.startswith("change_state")]


async def test_idle_and_total_limits(agent: Agent):
    async with agent.console(query="&idle_seconds=1") as idle, agent.console(query="&total_seconds=1") as total:
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        for console in (idle, total):
            await console.send(HANDSHAKE)
        for _ in range(8):
            await asyncio.sleep(0.1)
            await idle.send(KEY)
            await total.send(KEY)
        assert await ended_with(total) == CloseCode.TOTAL_LIMIT
        assert 0.9 < loop.time() - started_at < 1.5
        while loop.time() - started_at < 1.6:
            await idle.send(REPAINT)  # not a sign of a person
            await asyncio.sleep(0.05)
        assert await ended_with(idle) == CloseCode.IDLE_LIMIT
        assert loop.time() - started_at < 2.6


async def test_a_dead_viewer_is_noticed(fast_agent: Agent):
    """Its host answers nothing: no pong, though TCP still acknowledges."""
    console = await fast_agent.console()
    await fast_agent.display()
    console.transport.pause_reading()
    await asyncio.sleep(0.3)
    assert len(fast_agent.server.consoles) == 1
    await all_closed(fast_agent)
    assert fast_agent.server.consoles.ends == {"stalled": 1}
    console.transport.abort()


async def test_a_living_viewer_is_not_taken_for_dead(fast_agent: Agent):
    async with fast_agent.console() as console:
        await fast_agent.display()
        reader = asyncio.create_task(ended_with(console))
        await asyncio.sleep(1.5)
        assert len(fast_agent.server.consoles) == 1
        reader.cancel()


async def test_a_viewer_who_stops_reading_stops_the_display(agent: Agent):
    """Bounded memory: what the display can send is what the buffers on the way hold, and then it waits."""
    console = await agent.console()
    display = await agent.display()
    console.transport.pause_reading()
    sent = await flood(display.sock, 64 << 20)
    assert sent < 24 << 20  # the kernel's buffers of two sockets and TLS; not the agent's
    console.transport.resume_reading()
    received = 0
    async with asyncio.timeout(20):
        while received < sent:
            received += len(await console.recv())
    assert received == sent
    await console.close()


async def test_a_viewer_who_stops_reading_is_stalled(fast_agent: Agent):
    console = await fast_agent.console()
    display = await fast_agent.display()
    console.transport.pause_reading()
    await flood(display.sock, 64 << 20)
    await all_closed(fast_agent)
    assert fast_agent.server.consoles.ends == {"stalled": 1}
    console.transport.abort()


async def test_a_slow_viewer_is_not_stalled(fast_agent: Agent):
    """It takes a little all the time; its pongs would wait behind megabytes, and this one sends none at all."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", fast_agent.port, ssl=fast_agent.context(), limit=16 * 1024
    )
    writer.write(upgrade(PATH))
    await reader.readuntil(b"\r\n\r\n")
    flooding = asyncio.create_task((await fast_agent.display()).send(bytes(64 << 20)))
    loop = asyncio.get_running_loop()
    until = loop.time() + 2
    while loop.time() < until:
        assert await reader.read(32 * 1024)
        await asyncio.sleep(0.02)
    assert not flooding.done()
    assert len(fast_agent.server.consoles) == 1
    flooding.cancel()
    writer.transport.abort()


async def test_a_stopped_display_stops_the_viewer_and_is_stalled(fast_agent: Agent):
    console = await fast_agent.console()
    await fast_agent.display()  # it never reads
    await console.send(HANDSHAKE)
    text = bytes((6, 0, 0, 0)) + (1 << 30).to_bytes(4, "big")
    await console.send(text)
    sent = 0
    try:
        async with asyncio.timeout(8):
            while True:
                await console.send(bytes(65536))
                sent += 65536
    except websockets.ConnectionClosed:
        pass
    assert sent < 24 << 20
    await all_closed(fast_agent)
    assert fast_agent.server.consoles.ends == {"stalled": 1}
    assert DISPLAY_HIGH_BYTES + VIEWER_HIGH_BYTES <= 512 << 10


async def test_pings_of_a_viewer_who_does_not_read_are_not_collected(agent: Agent):
    console = await agent.console()
    display = await agent.display()
    console.transport.pause_reading()
    await flood(display.sock, 64 << 20)
    ping = b"\x89\xfd" + bytes(4) + bytes(125)
    before = _resident_bytes()
    for _ in range(400):
        console.transport.write(ping * 1000)  # 52 MB of pings, whose pongs would be as much
        while console.transport.get_write_buffer_size() > 1 << 20:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.001)
    assert _resident_bytes() - before < 24 << 20
    console.transport.abort()
    await all_closed(agent)


async def test_shutdown_tells_viewers_to_come_back(tmp_path):
    agent = await start_agent(tmp_path)
    consoles = [await agent.console() for _ in range(3)]
    stuck = await agent.console()
    for _ in range(4):
        await agent.display()
    stuck.transport.pause_reading()
    async with asyncio.timeout(4):
        codes = [asyncio.create_task(ended_with(console)) for console in consoles]
        await agent.server.close()
        assert await asyncio.gather(*codes) == [CloseCode.SERVICE_RESTART] * 3
    assert agent.server.consoles.ends == {"service_restart": 4}
    stuck.transport.abort()


async def test_nothing_is_left_behind(agent: Agent):
    """File descriptors and tasks are flat over opens and closes of every kind."""

    async def cycle(kind: int) -> None:
        console = await agent.console()
        display = await agent.display()
        if kind == 0:
            await console.close()
        elif kind == 1:
            console.transport.abort()
        elif kind == 2:
            display.close()
            await ended_with(console)
        await console.wait_closed()
        display.close()
        agent.driver.kept.clear()
        await all_closed(agent)

    for kind in range(3):
        await cycle(kind)
    await asyncio.sleep(0.1)
    descriptors, tasks = _descriptors(), len(asyncio.all_tasks())
    for number in range(60):
        await cycle(number % 3)
    await asyncio.sleep(0.1)
    assert _descriptors() <= descriptors + 1
    assert len(asyncio.all_tasks()) <= tasks + 1


async def test_logs_hold_no_query(agent: Agent, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]):
    logging.getLogger("websockets").setLevel(logging.INFO)
    with caplog.at_level(logging.DEBUG):
        async with agent.console(query="&canary=q5z7"):
            await agent.display()
        await all_closed(agent)
    captured = capsys.readouterr()
    assert "console_ended" in captured.out + captured.err + caplog.text
    assert "q5z7" not in captured.out + captured.err + caplog.text


async def flood(sock: socket.socket, most: int) -> int:
    """Sends until nothing moves for a third of a second; returns the bytes that left."""
    chunk, sent = bytes(256 * 1024), 0
    loop = asyncio.get_running_loop()
    moved_at = loop.time()
    while sent < most and loop.time() - moved_at < 0.3:
        try:
            sent += sock.send(chunk)
            moved_at = loop.time()
        except BlockingIOError:
            pass
        await asyncio.sleep(0.001)
    return sent


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
