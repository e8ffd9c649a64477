"""Client and stub, connected without a relay: the stub's websocket side is what the peers' last hop speaks to."""

from __future__ import annotations

import socket
import threading

import pytest
from eve_agent.service.rfb import RfbFilter
from eve_agent.wire.console import ConsoleMode

from benchmarks.relay.client import ECHO, Address, Ended, Viewer, bulk, close_all, masked_frame, open_viewers
from benchmarks.relay.processes import StubPorts
from benchmarks.relay.stub import (
    BANNER,
    ECHO_BYTES,
    SECURITY_RESULT,
    SECURITY_TYPES,
    SERVER_INIT,
    key_event,
    unmasked_frame,
)

MIB = 2**20


@pytest.fixture
def address(stub: StubPorts) -> Address:
    return Address.of(f"ws://127.0.0.1:{stub.websocket}/")


def test_a_key_is_answered_by_32_bytes(address: Address) -> None:
    (viewer,) = open_viewers(address, 1)
    before = viewer.received_bytes
    assert 0 < viewer.echo() < 5
    assert viewer.received_bytes == before + ECHO_BYTES
    viewer.leave()


def test_keys_that_arrive_in_one_piece_or_in_many_are_all_answered(address: Address) -> None:
    (viewer,) = open_viewers(address, 1)
    wanted = viewer.received_bytes + 5 * ECHO_BYTES
    viewer.socket.sendall(ECHO * 2 + masked_frame(key_event("e") * 2))
    for byte in ECHO:
        viewer.socket.sendall(bytes((byte,)))
    while viewer.received_bytes < wanted:
        viewer.receive()
    assert viewer.received_bytes == wanted
    viewer.close()


@pytest.mark.parametrize("letter", ["B", "b"])
@pytest.mark.parametrize("viewers", [1, 3])
def test_bulk_is_as_much_as_was_asked_for_and_an_echo_follows_it(address: Address, letter: str, viewers: int) -> None:
    consoles = open_viewers(address, viewers)
    before = [viewer.received_bytes for viewer in consoles]
    assert bulk(consoles, letter, 2) > 0
    assert [viewer.received_bytes - was for viewer, was in zip(consoles, before, strict=True)] == [2 * MIB] * viewers
    for viewer in consoles:
        viewer.echo()
    close_all(consoles, politely=True)


def test_a_display_that_was_told_so_reads_nothing_more(address: Address) -> None:
    (viewer,) = open_viewers(address, 1)
    viewer.command("S")
    viewer.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        viewer.echo()
    viewer.close()


def test_the_plain_side_speaks_rfb(stub: StubPorts) -> None:
    with socket.create_connection(("127.0.0.1", stub.tcp), 5) as display, display.makefile("rb") as reader:
        assert reader.read(len(BANNER)) == BANNER
        for say, answer in ((BANNER, SECURITY_TYPES), (b"\x01", SECURITY_RESULT), (b"\x01", SERVER_INIT)):
            display.sendall(say)
            assert reader.read(len(answer)) == answer
        display.sendall(key_event("e"))
        assert reader.read(ECHO_BYTES) == bytes(ECHO_BYTES)
        display.sendall(key_event("B", 1))
        assert len(reader.read(MIB)) == MIB


def test_what_the_client_sends_passes_the_agents_filter_unchanged() -> None:
    rfb = RfbFilter(ConsoleMode.CONTROL)
    greeting = BANNER + b"\x01\x01"
    messages = key_event("e") + key_event("B", 512) + key_event("b", 0) + key_event("S")
    assert rfb.feed(greeting + messages) == greeting + messages
    assert not rfb.is_raw


def test_a_refused_handshake_and_a_close_frame_are_told_apart() -> None:
    for answer, code in (
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", 0),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + bytes((0x88, 2)) + (4011).to_bytes(2, "big"), 4011),
    ):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            server.settimeout(5)
            with pytest.raises(Ended) as ended:
                _open(server, port, answer)
            assert ended.value.code == code


def test_pings_are_answered_between_the_bytes_of_the_display() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"\x89\x02hi" + unmasked_frame(BANNER)
        viewer, peer = _open(server, server.getsockname()[1], answer)
        assert viewer.received_bytes == len(BANNER)
        assert peer.recv(100) == masked_frame(b"hi", 10)
        viewer.close()
        peer.close()


def _open(server: socket.socket, port: int, answer: bytes) -> tuple[Viewer, socket.socket]:
    """A viewer at a server that says `answer` to whatever it asks."""
    peers: list[socket.socket] = []

    def accept() -> None:
        peer, _ = server.accept()
        peers.append(peer)
        peer.recv(65536)
        peer.sendall(answer)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        return Viewer(Address.of(f"ws://127.0.0.1:{port}/"), timeout_seconds=5), peers[0]
    finally:
        thread.join()
