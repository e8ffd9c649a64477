"""A display that answers every key with a bell, and a viewer that rings it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.services.line import RESET_WHEN_CLOSED
from tests.services.listening import Listening

BELL = b"\x02"
_NAME = b"stub"
_SERVER_INIT = struct.pack(
    ">HH16sI", 64, 48, bytes((32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0)), len(_NAME)
)
_LENGTHS = {0: 20, 3: 10, 4: 8, 5: 6}


class Display(Listening):
    """An RFB 3.8 server without authentication (RFC 6143), which any number of viewers may open."""

    def __init__(self) -> None:
        self.viewers = 0
        self.is_flooding = threading.Event()
        """Set: each key is answered by bells without end."""
        self._open: set[socket.socket] = set()
        super().__init__()

    def hang_up(self, *, with_reset: bool = False) -> None:
        """Ends all connections; with a reset, what waits in them is lost."""
        for sock in list(self._open):
            if with_reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_WHEN_CLOSED)
            sock.shutdown(socket.SHUT_RDWR)

    def _serve(self, sock: socket.socket) -> None:
        self.viewers += 1
        self._open.add(sock)
        with contextlib.suppress(OSError), sock, sock.makefile("rb") as stream:
            sock.sendall(b"RFB 003.008\n")
            stream.read(12)
            sock.sendall(b"\x01\x01")
            stream.read(1)
            sock.sendall(bytes(4))
            stream.read(1)
            sock.sendall(_SERVER_INIT + _NAME)
            while kind := stream.read(1):
                stream.read(_LENGTHS[kind[0]] - 1)
                if kind == b"\x04":
                    sock.sendall(BELL)
                while self.is_flooding.is_set():
                    sock.sendall(BELL * 65536)
        self._open.discard(sock)
        self.viewers -= 1


class Viewer:
    """One console, over a real websocket. Raises websockets' exceptions where the handshake is refused."""

    def __init__(self, url: str, **options: Any) -> None:
        self.socket: ClientConnection = connect(
            url, compression=None, proxy=None, open_timeout=10, legacy=True, **options
        )
        self._held = b""

    def greet(self) -> Viewer:
        """The RFB handshake, up to the display's name."""
        assert self.read(12) == b"RFB 003.008\n"
        self.socket.send(b"RFB 003.008\n")
        assert self.read(2) == b"\x01\x01"
        self.socket.send(b"\x01")
        assert self.read(4) == bytes(4)
        self.socket.send(b"\x01")
        assert self.read(24 + len(_NAME)).endswith(_NAME)
        return self

    def rings(self) -> bool:
        """Whether a key gets to the display and its bell back."""
        self.press()
        return self.read(1) == BELL

    def press(self) -> None:
        """A key."""
        self.socket.send(struct.pack(">BBHI", 4, 1, 0, ord("a")))

    def end(self, *, seconds: float) -> tuple[int, float]:
        """Waits for the console's end: its close code, and how long that took. Raises TimeoutError."""
        begun = time.monotonic()
        try:
            while True:
                self.socket.recv(timeout=seconds - (time.monotonic() - begun))
        except ConnectionClosed as closed:
            return (closed.rcvd.code if closed.rcvd else 1006), time.monotonic() - begun

    def close(self) -> None:
        """Leaves."""
        self.socket.close()

    def read(self, count: int) -> bytes:
        """So many bytes of the display."""
        while len(self._held) < count:
            piece = self.socket.recv(timeout=10)
            assert isinstance(piece, bytes)
            self._held += piece
        data, self._held = self._held[:count], self._held[count:]
        return data
