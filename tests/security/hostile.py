"""A host that was taken over: the key and certificate that Eve enrolled, and anything but an honest agent behind them."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from eve_agent.wire import codec
from eve_agent.wire.domain import Domain, DomainState, Graphics, GraphicsKind
from eve_agent.wire.events import Event, EventKind
from eve_agent.wire.host import Cpu, HostFacts

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BLOCK = b"x" * 65536


def domain(key: uuid.UUID, name: str) -> Domain:
    """A running one with a display."""
    screen = (Graphics(kind=GraphicsKind.VNC, index=0),)
    return Domain(uuid=key, name=name, state=DomainState.RUNNING, vcpus=1, memory_bytes=2**28, graphics=screen)


def answer(body: bytes, *, status: str = "200 OK", content_type: str = "application/json", more: str = "") -> bytes:
    """As an agent answers."""
    head = (
        f"HTTP/1.1 {status}\r\nEve-Contract: 1\r\nContent-Type: {content_type}\r\n{more}Content-Length: {len(body)}\r\n"
    )
    return head.encode() + b"\r\n" + body


class HostileAgent:
    """Serves TLS with an enrolled identity; `manner` says how it answers what is asked of it, and may be changed."""

    def __init__(self, port: int, identity: Path, domains: list[Domain]) -> None:
        self.domains = domains
        self.manner: Callable[[ssl.SSLSocket], None] | None = None
        """Answers in place of the honest answer, except to ``/events``."""
        self.picture = answer(b"", content_type="image/png")
        self.listings = self.bad_answers = 0
        self._events: list[ssl.SSLSocket] = []
        self._open: list[socket.socket] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.load_cert_chain(identity / "identity.pem")
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_verify_locations(identity / "ca.pem")
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Ends what is open, so that Eve comes again."""
        self._events.clear()
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def tell(self, *events: Event) -> None:
        """Sends events to whoever listens. Raises IndexError or OSError where nobody does."""
        self._events[-1].sendall(b"".join(frame(codec.encode(event)) for event in events))

    def is_heard(self) -> bool:
        """Whether Eve listens."""
        return bool(self._events)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _address = self._listener.accept()
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            sock.settimeout(60)
            with self._context.wrap_socket(sock, server_side=True) as secured:
                self._open.append(secured)
                while request := _read_request(secured):
                    self._answer(secured, request)

    def _answer(self, sock: ssl.SSLSocket, request: bytes) -> None:
        path = request.split(b" ")[1].decode()
        if path == "/events":
            self._listen(sock, request)
        elif path.endswith("/screenshot"):
            sock.sendall(self.picture)
        elif self.manner is not None:
            self.bad_answers += 1
            self.manner(sock)
        elif path == "/libvirt":
            sock.sendall(answer(codec.encode(_facts())))
        elif path == "/libvirt/domains":
            self.listings += 1
            sock.sendall(answer(codec.encode(self.domains)))
        else:
            sock.sendall(answer(b'{"code": "domain_not_found", "message": "no"}', status="404 Not Found"))

    def _listen(self, sock: ssl.SSLSocket, request: bytes) -> None:
        found = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
        assert found is not None
        accept = base64.b64encode(hashlib.sha1(found[1] + _GUID).digest()).decode()
        sock.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nEve-Contract: 1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        sock.sendall(frame(codec.encode(Event(EventKind.HELLO, contract_version=1))))
        self._events.append(sock)
        while head := sock.recv(2):
            rest = _exactly(sock, 4 + (head[1] & 127))
            if head[0] & 15 == 9:
                payload = bytes(byte ^ rest[place % 4] for place, byte in enumerate(rest[4:]))
                sock.sendall(frame(payload, opcode=10))


def frame(payload: bytes, *, opcode: int = 1) -> bytes:
    """A server's websocket frame (RFC 6455, 5.2)."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + payload


def huge(sock: ssl.SSLSocket) -> None:
    """An answer without an end."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nEve-Contract: 1\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[")
    while True:
        sock.sendall(BLOCK)


def drip(sock: ssl.SSLSocket) -> None:
    """An answer that takes for ever."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nEve-Contract: 1\r\nContent-Length: 100000\r\n\r\n")
    while True:
        sock.sendall(b" ")
        time.sleep(0.05)


def redirect_to(url: str) -> Callable[[ssl.SSLSocket], None]:
    """An answer that sends Eve elsewhere."""
    return lambda sock: sock.sendall(answer(b"", status="302 Found", more=f"Location: {url}\r\n"))


def _facts() -> HostFacts:
    return HostFacts(
        host_name="<script>alert(1)</script>",
        agent_version="0",
        contract_version=1,
        libvirt_version="9.0.0",
        hypervisor_version="7.2.0",
        cpu=Cpu("x86_64", "", 1, 1, 1, 1),
        memory_bytes=2**34,
        memory_free_bytes=2**33,
        time=dt.datetime.now(dt.UTC),
    )


def _read_request(sock: ssl.SSLSocket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        piece = sock.recv(65536)
        if not piece:
            return b""
        request += piece
    return request


def _exactly(sock: ssl.SSLSocket, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := sock.recv(count - len(data))):
        data += piece
    return data
