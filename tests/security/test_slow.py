"""Peers that take their time, hundreds at once: nobody else is kept out, and they are ended."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time

from eve_agent.transport.tls import HANDSHAKE_SECONDS

from eve_site.bodies import BODY_SECONDS
from eve_site.heads import HEAD_SECONDS

from .conftest import OLIVIA, Estate
from .holdings import holdings, wait_given_back

PEERS = 150
"""Of each kind."""
LATE_SECONDS = 3
WAIT_SECONDS = 3
"""What an honest viewer may wait meanwhile."""


class Drip:
    """Connections on which a byte comes every second, until they are ended."""

    def __init__(self, port: int, opening: bytes, rest: bytes, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds
        self.ended_after: list[float] = []
        self.answer = b""
        """What one of them was told."""
        self._rest = rest
        self._open = {socket.create_connection(("127.0.0.1", port), timeout=10): 0 for _ in range(PEERS)}
        self._begun = time.monotonic()
        for sock in self._open:
            sock.sendall(opening)

    def drip(self) -> None:
        """A byte on each that lives."""
        for sock in self._ended():
            del self._open[sock]
            self.ended_after.append(time.monotonic() - self._begun)
            sock.close()
        for sock, sent in self._open.items():
            with contextlib.suppress(OSError):
                sock.sendall(self._rest[sent : sent + 1])
            self._open[sock] = sent + 1

    def close(self) -> None:
        for sock in self._open:
            sock.close()

    def _ended(self) -> list[socket.socket]:
        found = []
        for sock in select.select(self._open, (), (), 0)[0] if self._open else ():
            try:
                piece = sock.recv(65536)
            except OSError:
                piece = b""
            if piece:
                self.answer = piece
            else:
                found.append(sock)
        return found


def test_hundreds_keep_nobody_out_and_are_ended(estate: Estate) -> None:
    home, vm_id = estate.home, estate.vms[0]
    first = estate.watch(OLIVIA, vm_id)
    assert first.rings()
    first.close()
    before = holdings(home)
    host = f"Host: 127.0.0.1:{home.port}\r\n"
    handshake = f"GET /ws/vms/{vm_id}/console HTTP/1.1\r\n{host}X-Slow: ".encode()
    login = f"POST /api/v1/login HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: 999\r\n\r\n"
    kinds = {
        "a head": Drip(home.port, handshake, b"x" * 999, HEAD_SECONDS),
        "a body": Drip(home.port, login.encode(), b" " * 999, BODY_SECONDS),
        "a TLS handshake": Drip(home.agent_port, b"", client_hello(), HANDSHAKE_SECONDS),
        "nothing": Drip(home.agent_port, b"", b"", HANDSHAKE_SECONDS),
    }
    waits = []
    until = time.monotonic() + max(drip.limit_seconds for drip in kinds.values()) + LATE_SECONDS
    while time.monotonic() < until:
        begun = time.monotonic()
        viewer = estate.watch(OLIVIA, vm_id)
        assert viewer.rings()
        waits.append(time.monotonic() - begun)
        viewer.close()
        for drip in kinds.values():
            drip.drip()
        time.sleep(max(0.0, begun + 1 - time.monotonic()))
    assert max(waits) < WAIT_SECONDS, waits
    for what, drip in kinds.items():
        drip.close()
        assert len(drip.ended_after) == PEERS, f"{what}: {len(drip.ended_after)} of {PEERS} were ended"
        assert max(drip.ended_after) < drip.limit_seconds + LATE_SECONDS, what
    assert kinds["a body"].answer.startswith(b"HTTP/1.1 408 ")
    wait_given_back(home, before)


def client_hello() -> bytes:
    """The first flight of a TLS client, to be sent in part only."""
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="agent")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
