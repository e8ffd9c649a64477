"""Viewers that send very many very small frames: nothing is collected for them, and everybody else goes on."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from eve_agent.wire.close import CloseCode

from tests.e2e.house import house

from .conftest import OLIVIA, Estate, populate
from .holdings import MIB, memory_bytes
from .rfb import Display, Viewer

COUNT = 1_000_000
MASK = bytes(4)
"""Leaves a payload as it is."""
EMPTY, EMPTY_PIECE, PING = b"\x82\x80" + MASK, b"\x00\x80" + MASK, b"\x89\x80" + MASK
UPDATE_REQUEST = b"".join(b"\x82\x81" + MASK + bytes((byte,)) for byte in (3, 1, *bytes(8)))
"""Of ten bytes, each in a frame of its own."""
FLOODS = {
    "a byte each": UPDATE_REQUEST * (COUNT // 10),
    "empty": EMPTY * COUNT,
    "empty pieces of one message": b"\x02\x80" + MASK + EMPTY_PIECE * COUNT + b"\x80\x80" + MASK,
    "pings": PING * COUNT,
    "long pings": (b"\x89\xfd" + MASK + bytes(125)) * (COUNT // 10),
}
PAGE_FLOODS = {
    "empty pieces of one message": b"\x01\x80" + MASK + EMPTY_PIECE * 3 * COUNT,
    "long pings": (b"\x89\xfd" + MASK + bytes(125)) * (COUNT // 4),
}
MOST_BYTES = 16 * MIB
ECHO_SECONDS = 0.05
"""Another viewer's, in the middle of it all; alone it takes less than a millisecond."""
IDLE_SECONDS = 3
LOOK_SECONDS = 2.5
"""How often the agent looks at a console's limits."""


@pytest.mark.parametrize("what", FLOODS)
def test_a_million_tiny_frames(estate: Estate, watch: Callable[..., Viewer], what: str) -> None:
    other, flooding = watch(OLIVIA, estate.vms[0]), watch(OLIVIA, estate.vms[1])
    assert other.rings()
    before = memory_bytes(estate.home)
    echoes, most = [], [0, 0]
    with sending(flooding.socket.socket, FLOODS[what]) as is_sending:
        while is_sending():
            begun = time.monotonic()
            assert other.rings()
            echoes.append(time.monotonic() - begun)
            most = [max(pair) for pair in zip(most, memory_bytes(estate.home), strict=True)]
            time.sleep(0.01)
    assert flooding.rings(), "it did nothing that is not allowed"
    assert statistics.median(echoes) < ECHO_SECONDS, sorted(echoes)[-5:]
    assert max(now - then for now, then in zip(most, before, strict=True)) < MOST_BYTES, (before, most)


def test_who_only_floods_is_idle(tmp_path: Path, display: Display) -> None:
    settings = {"EVE_CONSOLE_IDLE_SECONDS": str(IDLE_SECONDS)}
    with house(tmp_path, fake_console=display.address, settings=settings) as home:
        estate = populate(home)
        viewer = estate.watch(OLIVIA, estate.vms[0])
        begun = time.monotonic()
        flood = b"\x02\x80" + MASK + (EMPTY_PIECE + PING) * 3_000_000
        with sending(viewer.socket.socket, flood):
            code, _seconds = viewer.end(seconds=20)
        assert code == CloseCode.IDLE_LIMIT
        assert time.monotonic() - begun < IDLE_SECONDS + LOOK_SECONDS + 2


@pytest.mark.parametrize("what", PAGE_FLOODS)
def test_a_pages_websocket_collects_nothing(estate: Estate, what: str) -> None:
    """Which the server's own protocol serves to its end. Its page reads nothing."""
    with page_socket(estate) as page:
        before, most = memory_bytes(estate.home)[0], 0
        with sending(page, PAGE_FLOODS[what]) as is_sending:
            while is_sending():
                most = max(most, memory_bytes(estate.home)[0])
                time.sleep(0.01)
    assert most - before < MOST_BYTES


def page_socket(estate: Estate) -> socket.socket:
    """What a page hears changes by, past its handshake."""
    page = socket.create_connection(("127.0.0.1", estate.home.port), timeout=60)
    page.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    page.sendall(
        f"GET /ws/live HTTP/1.1\r\nHost: 127.0.0.1:{estate.home.port}\r\nOrigin: {estate.home.url}\r\n"
        f"Cookie: {estate.browser(OLIVIA).cookie_header}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    assert page.recv(12) == b"HTTP/1.1 101"
    return page


@contextmanager
def sending(sock: socket.socket, flood: bytes) -> Iterator[Callable[[], bool]]:
    """Sends it beside the block, and waits for the rest at its end; tells whether it still does."""

    def send() -> None:
        with suppress(OSError):
            sock.sendall(flood)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield thread.is_alive
    thread.join(60)
    assert not thread.is_alive()
