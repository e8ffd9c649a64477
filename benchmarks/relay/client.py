"""The benchmark's viewer: a websocket on a raw socket that speaks RFB, the same for every chain.

It reads what it is sent in pieces of up to 256 KiB, counts the payload of data frames and answers pings; after the handshake it keeps
no payload. Everything blocks, with a time limit; :func:`bulk` serves many viewers at once.
"""

from __future__ import annotations

import base64
import os
import selectors
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from .stub import BANNER, ECHO_BYTES, HANDSHAKE, key_event

READ_BYTES = 256 * 1024
TIMEOUT_SECONDS = 30.0
MASK = b"\x5a\xc3\x11\x9e"
"""Each frame's masking key: what a relay does with it does not depend on its value."""
_PING, _PONG, _CLOSE, _BINARY = 9, 10, 8, 2
_ANSWERS = (BANNER, b"\x01", b"\x01")
"""The client's half of RFB's handshake: version, security type "None", a shared session."""


class Ended(Exception):
    """The console ended, or was refused; :attr:`code` is the close code, 0 where there was none."""

    def __init__(self, why: str, code: int = 0) -> None:
        super().__init__(f"{why} (close code {code})" if code else why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Address:
    """Where a websocket is opened."""

    host: str
    port: int
    path: str
    headers: tuple[str, ...] = ()

    @classmethod
    def of(cls, url: str, *headers: str) -> Address:
        """Of a ``ws://`` address, with header lines for its request."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, parts.port or 80, path or "/", headers)

    def request(self) -> bytes:
        """The handshake's request."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [
            f"GET {self.path} HTTP/1.1",
            f"Host: {host}:{self.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            *self.headers,
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def masked_frame(data: bytes, opcode: int = _BINARY) -> bytes:
    """A client's frame of at most 65535 bytes (RFC 6455, 5.2)."""
    pad = (MASK * (len(data) // 4 + 1))[: len(data)]
    body = bytes(left ^ right for left, right in zip(data, pad, strict=True))
    length = bytes((0x80 | len(data),)) if len(data) < 126 else struct.pack(">BH", 0x80 | 126, len(data))
    return bytes((0x80 | opcode,)) + length + MASK + body


ECHO = masked_frame(key_event("e"))


class Viewer:
    """One open console. Raises Ended wherever it is not."""

    def __init__(
        self,
        address: Address,
        *,
        receive_buffer_bytes: int = 0,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Opens it up to RFB's banner; `receive_buffer_bytes` narrows what the kernel takes in advance (for a slow reader)."""
        self.received_bytes = 0
        """Payload of data frames so far."""
        self.close_code = 0
        self.setup_seconds = 0.0
        """From the connection's first packet to RFB's first byte."""
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._header = b""
        self._left = 0
        self._opcode = _BINARY
        self._control = b""
        self._kept: bytearray | None = bytearray()
        started = time.perf_counter()
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(timeout_seconds)
            if receive_buffer_bytes:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.connect((address.host, address.port))
            self.socket.sendall(address.request())
            self._upgrade()
            banner = self.take(len(BANNER))
            if banner != BANNER:
                raise Ended(f"no RFB banner but {banner!r}")
            self.setup_seconds = time.perf_counter() - started
        except BaseException:
            self.socket.close()
            raise

    def fileno(self) -> int:
        """For selectors."""
        return self.socket.fileno()

    def greet(self) -> None:
        """Ends RFB's handshake."""
        for answer, (_, reply) in zip(_ANSWERS, HANDSHAKE, strict=True):
            self.socket.sendall(masked_frame(answer))
            self.take(len(reply))
        self._kept = None

    def command(self, letter: str, number: int = 0) -> None:
        """Tells the stub what to do."""
        self.socket.sendall(masked_frame(key_event(letter, number)))

    def echo(self) -> float:
        """Seconds from a key to its 32 bytes."""
        started = time.perf_counter()
        self.socket.sendall(ECHO)
        wanted = self.received_bytes + ECHO_BYTES
        while self.received_bytes < wanted:
            self.receive()
        return time.perf_counter() - started

    def receive(self, limit: int = READ_BYTES) -> int:
        """Reads once. Returns the bytes that were read, frames' headers included."""
        count = self.socket.recv_into(self._view[:limit])
        if not count:
            raise Ended("the connection closed", self.close_code)
        self._walk(self._view[:count])
        return count

    def close(self) -> None:
        """At once, without a close frame."""
        self.socket.close()

    def leave(self) -> None:
        """As a browser leaves: a close frame, and then the other side's end is waited for."""
        try:
            self.socket.sendall(masked_frame((1000).to_bytes(2, "big"), _CLOSE))
            while True:
                self.receive()
        except (Ended, OSError):
            self.socket.close()

    def _upgrade(self) -> None:
        head = bytearray()
        while b"\r\n\r\n" not in head:
            data = self.socket.recv(65536)
            if not data:
                raise Ended("the connection closed instead of an answer")
            head += data
        answer, _, rest = bytes(head).partition(b"\r\n\r\n")
        status = answer.split(b"\r\n", 1)[0].decode(errors="replace")
        if status.split(" ")[1:2] != ["101"]:
            raise Ended(f"refused: {status}")
        self._walk(memoryview(rest))

    def take(self, count: int) -> bytes:
        """Exactly so many bytes of the display, before :meth:`greet` has ended, or where that is never called."""
        assert self._kept is not None
        while len(self._kept) < count:
            self.receive()
        found = bytes(self._kept[:count])
        del self._kept[:count]
        return found

    def _walk(self, data: memoryview) -> None:
        """Follows the frames' headers; payload is counted, not looked at."""
        at, end = 0, len(data)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                self._payload(data[at : at + step])
                self._left -= step
                at += step
                if not self._left and self._opcode >= _CLOSE:
                    self._controlled()
                continue
            need = 2 if len(self._header) < 2 else 2 + _length_bytes(self._header[1])
            take = min(need - len(self._header), end - at)
            self._header += bytes(data[at : at + take])
            at += take
            if len(self._header) >= 2 and len(self._header) == 2 + _length_bytes(self._header[1]):
                self._begin(self._header)
                self._header = b""

    def _begin(self, header: bytes) -> None:
        self._opcode = header[0] & 0x0F
        self._left = int.from_bytes(header[2:], "big") if len(header) > 2 else header[1] & 0x7F
        self._control = b""
        if not self._left and self._opcode >= _CLOSE:
            self._controlled()

    def _payload(self, data: memoryview) -> None:
        if self._opcode >= _CLOSE:
            self._control += bytes(data)
            return
        self.received_bytes += len(data)
        if self._kept is not None:
            self._kept += data

    def _controlled(self) -> None:
        if self._opcode == _PING:
            self.socket.sendall(masked_frame(self._control, _PONG))
        elif self._opcode == _CLOSE:
            self.close_code = int.from_bytes(self._control[:2], "big")
            raise Ended("the console ended", self.close_code)


def _length_bytes(second: int) -> int:
    return {126: 2, 127: 8}.get(second & 0x7F, 0)


def open_viewers(address: Address, count: int) -> list[Viewer]:
    """That many open consoles, past the handshake; none stays open where one fails."""
    viewers: list[Viewer] = []
    try:
        for _ in range(count):
            viewer = Viewer(address)
            viewers.append(viewer)
            viewer.greet()
    except BaseException:
        close_all(viewers)
        raise
    return viewers


def close_all(viewers: Iterable[Viewer], *, politely: bool = False) -> None:
    """Closes them."""
    for viewer in viewers:
        if politely:
            viewer.leave()
        else:
            viewer.close()


def bulk(viewers: Sequence[Viewer], letter: str, mebibytes: int) -> float:
    """Has each viewer receive that much at the same time. Returns seconds for all."""
    wanted = {viewer: viewer.received_bytes + mebibytes * 2**20 for viewer in viewers}
    started = time.perf_counter()
    for viewer in viewers:
        viewer.command(letter, mebibytes)
    with selectors.DefaultSelector() as selector:
        for viewer in viewers:
            selector.register(viewer, selectors.EVENT_READ, viewer)
        while wanted:
            ready = selector.select(TIMEOUT_SECONDS)
            if not ready:
                raise Ended(f"nothing arrived for {TIMEOUT_SECONDS:g} s")
            for key, _ in ready:
                viewer = key.data
                viewer.receive()
                if viewer.received_bytes >= wanted[viewer]:
                    del wanted[viewer]
                    selector.unregister(viewer)
    return time.perf_counter() - started
