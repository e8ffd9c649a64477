"""A stub console: an RFB 3.8 server without authentication that does what a benchmark tells it, as cheaply as Python can.

``python -m benchmarks.relay.stub`` listens on two ports of loopback, plain TCP and websocket (for the peers, whose last hop speaks
HTTP), prints ``{"tcp": PORT, "websocket": PORT}``, and serves until SIGTERM. One process, epoll, no event loop.

After the handshake every message of the client has the eight bytes of a KeyEvent (RFC 6143, 7.5.4), which a relay that parses RFB
lets through. The keysym says what to do:

==============  ======================================================================================
any other       answer 32 bytes (an echo)
``B`` + MiB     send that many MiB in writes of 64 KiB; 0: until the connection ends
``b`` + MiB     the same in writes of 1 KiB
``S``           read nothing from now on
==============  ======================================================================================

where the letter is the keysym's first byte and the number is in the other three.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import select
import socket
import struct
from collections.abc import Iterator

ECHO_BYTES = 32
KEY_BYTES = 8
LARGE_BYTES = 64 * 1024
SMALL_BYTES = 1024
BANNER = b"RFB 003.008\n"
SECURITY_TYPES = b"\x01\x01"
SECURITY_RESULT = bytes(4)
NAME = b"stub"
SERVER_INIT = struct.pack(">HHBBBBHHHBBB3xI", 1024, 768, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0, len(NAME)) + NAME
HANDSHAKE = ((len(BANNER), SECURITY_TYPES), (1, SECURITY_RESULT), (1, SERVER_INIT))
"""How many bytes of the client are answered by what."""
BURST_BYTES = 256 * 1024
"""As much is sent to one viewer before the next has its turn."""
BACKLOG = 1024
_BINARY, _CLOSE = 2, 8
_ACCEPT_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def key_event(command: str, number: int = 0) -> bytes:
    """The message that commands the stub; a `command` that it does not know is answered by an echo."""
    return struct.pack(">BBxxI", 4, 1, ord(command) << 24 | number)


def unmasked_frame(data: bytes) -> bytes:
    """A binary websocket frame of a server (RFC 6455, 5.2)."""
    if len(data) < 126:
        return bytes((0x82, len(data))) + data
    if len(data) < 65536:
        return struct.pack(">BBH", 0x82, 126, len(data)) + data
    return struct.pack(">BBQ", 0x82, 127, len(data)) + data


class Viewer:
    """One connection."""

    def __init__(self, connection: socket.socket, *, is_websocket: bool) -> None:
        self.socket = connection
        self.is_reading = True
        self._is_websocket = is_websocket
        self._needs_upgrade = is_websocket
        self._raw = b""
        self._rfb = b""
        self._handshakes: Iterator[tuple[int, bytes]] = iter(HANDSHAKE)
        self._expected: tuple[int, bytes] | None = next(self._handshakes)
        self._waiting = bytearray()
        self._chunk = memoryview(b"")
        self._offset = 0
        self._chunks_left = 0.0
        if not is_websocket:
            self._say(BANNER)

    @property
    def wants_to_send(self) -> bool:
        """Whether bytes are waiting for it."""
        return bool(self._waiting) or self._chunks_left > 0

    def receive(self) -> None:
        """What the client sent. Raises OSError at the end."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the client has gone")
        if not self._is_websocket:
            self._take(data)
            return
        self._raw += data
        if self._needs_upgrade and not self._upgrade():
            return
        self._take(self._unmasked())

    def send(self) -> None:
        """As much as the connection takes now, up to one burst."""
        with contextlib.suppress(BlockingIOError):
            if self._waiting:
                del self._waiting[: self.socket.send(self._waiting)]
            burst = BURST_BYTES
            while not self._waiting and self._chunks_left > 0 and burst > 0:
                sent = self.socket.send(self._chunk[self._offset :])
                burst -= sent
                self._offset += sent
                if self._offset == len(self._chunk):
                    self._offset = 0
                    self._chunks_left -= 1

    def _say(self, data: bytes) -> None:
        self._waiting += unmasked_frame(data) if self._is_websocket else data

    def _take(self, data: bytes) -> None:
        data = self._rfb + data
        at = 0
        while self._expected is not None and len(data) - at >= self._expected[0]:
            at += self._expected[0]
            self._say(self._expected[1])
            self._expected = next(self._handshakes, None)
        while self._expected is None and self.is_reading and len(data) - at >= KEY_BYTES:
            self._command(data[at + 4], int.from_bytes(data[at + 5 : at + 8], "big"))
            at += KEY_BYTES
        self._rfb = data[at:]

    def _command(self, letter: int, number: int) -> None:
        if letter == ord("S"):
            self.is_reading = False
        elif letter in b"Bb":
            size = LARGE_BYTES if letter == ord("B") else SMALL_BYTES
            chunk = bytes(range(256)) * (size // 256)
            self._chunk = memoryview(unmasked_frame(chunk) if self._is_websocket else chunk)
            self._chunks_left = number * 2**20 // size if number else float("inf")
        else:
            self._say(bytes(ECHO_BYTES))

    def _upgrade(self) -> bool:
        head, end, self._raw = self._raw.partition(b"\r\n\r\n")
        if not end:
            self._raw = head
            return False
        fields = dict(line.split(b":", 1) for line in head.split(b"\r\n")[1:])
        key = next(value.strip() for name, value in fields.items() if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_KEY, usedforsecurity=False).digest())
        self._waiting += (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._needs_upgrade = False
        self._say(BANNER)
        return True

    def _unmasked(self) -> bytes:
        """The payload of all binary frames that are complete (the client sends short ones only). Raises OSError at a close frame."""
        raw, at, parts = self._raw, 0, []
        while len(raw) - at >= 6:
            length = raw[at + 1] & 0x7F
            header = 6
            if length == 126:
                header = 8
                length = int.from_bytes(raw[at + 2 : at + 4], "big")
            end = at + header + length
            if len(raw) < end:
                break
            if raw[at] & 0x0F == _CLOSE:
                raise ConnectionError("the client has closed")
            if raw[at] & 0x0F == _BINARY:
                parts.append(_unmask(raw[at + header - 4 : at + header], raw[at + header : end]))
            at = end
        self._raw = raw[at:]
        return b"".join(parts)


def _unmask(key: bytes, data: bytes) -> bytes:
    pad = (key * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(data), "big")


class Stub:
    """Both listeners, and all their viewers."""

    def __init__(self, tcp_port: int = 0, websocket_port: int = 0) -> None:
        self._epoll = select.epoll()
        self._listeners: dict[int, tuple[socket.socket, bool]] = {}
        self._viewers: dict[int, Viewer] = {}
        self.tcp_port = self._listen(tcp_port, is_websocket=False)
        self.websocket_port = self._listen(websocket_port, is_websocket=True)

    def serve(self) -> None:
        """Until the process ends."""
        while True:
            for number, events in self._epoll.poll():
                if number in self._listeners:
                    self._accept(*self._listeners[number])
                elif number in self._viewers:
                    self._serve(self._viewers[number], events)

    def _listen(self, port: int, *, is_websocket: bool) -> int:
        listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        listener.setblocking(False)
        self._epoll.register(listener, select.EPOLLIN)
        self._listeners[listener.fileno()] = (listener, is_websocket)
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, is_websocket: bool) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            viewer = Viewer(connection, is_websocket=is_websocket)
            self._viewers[connection.fileno()] = viewer
            self._epoll.register(connection, select.EPOLLIN)
            self._serve(viewer, 0)

    def _serve(self, viewer: Viewer, events: int) -> None:
        try:
            if events & ~select.EPOLLOUT and viewer.is_reading:
                viewer.receive()
            elif events & (select.EPOLLHUP | select.EPOLLERR):
                raise ConnectionError("the connection has gone")
            viewer.send()
        except BlockingIOError:
            return
        except OSError:
            del self._viewers[viewer.socket.fileno()]
            viewer.socket.close()
            return
        wanted = (select.EPOLLIN if viewer.is_reading else 0) | (select.EPOLLOUT if viewer.wants_to_send else 0)
        self._epoll.modify(viewer.socket, wanted)


def main() -> None:
    """The command line."""
    stub = Stub()
    print(json.dumps({"tcp": stub.tcp_port, "websocket": stub.websocket_port}), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        stub.serve()


if __name__ == "__main__":
    main()
