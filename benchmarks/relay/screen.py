"""A viewer that understands a guest's screen: asks for updates, and reads each to its end (RFC 6143, 7.5.3 and 7.6.1)."""

from __future__ import annotations

import socket
import struct
import time
from typing import Protocol

from .client import Ended, Viewer, masked_frame
from .stub import BANNER

RAW, ZRLE = 0, 16
PIXEL_BYTES = 4
"""QEMU's own pixel format, which is kept."""
READ_BYTES = 256 * 1024
TIMEOUT_SECONDS = 30.0
RETURN = "\r"
_KEYSYMS = {RETURN: 0xFF0D}
_UPDATE, _COLOURS, _BELL, _CUT_TEXT = range(4)


class Way(Protocol):
    """How the display's bytes come and go."""

    received_bytes: int
    """Of the display's, so far."""

    def send(self, data: bytes) -> None:
        """To the display."""

    def read(self, count: int) -> bytes:
        """Exactly so many of the display's bytes."""

    def close(self) -> None:
        """At once."""


class DirectWay:
    """The display's own socket, as libvirt handed it out: no relay at all."""

    def __init__(self, display: socket.socket) -> None:
        display.settimeout(TIMEOUT_SECONDS)
        self.received_bytes = 0
        self._display = display
        self._received = bytearray()

    def send(self, data: bytes) -> None:
        """As Way."""
        self._display.sendall(data)

    def read(self, count: int) -> bytes:
        """As Way."""
        while len(self._received) < count:
            data = self._display.recv(READ_BYTES)
            if not data:
                raise Ended("the display closed")
            self._received += data
            self.received_bytes += len(data)
        found = bytes(self._received[:count])
        del self._received[:count]
        return found

    def close(self) -> None:
        """As Way."""
        self._display.close()


class RelayedWay(Viewer):
    """Through Eve and the agent."""

    def send(self, data: bytes) -> None:
        """As Way."""
        self.socket.sendall(masked_frame(data))

    def read(self, count: int) -> bytes:
        """As Way."""
        return self.take(count)


class Screen:
    """One open screen."""

    def __init__(self, way: Way, *, encoding: int, has_banner: bool) -> None:
        """Ends RFB's handshake; `has_banner` says that the display's version was read already. Raises Ended."""
        self._way = way
        if not has_banner:
            way.read(len(BANNER))
        way.send(BANNER)
        types = way.read(way.read(1)[0])
        if b"\x01" not in types:
            raise Ended(f"the display wants authentication: {types!r}")
        way.send(b"\x01")
        if way.read(4) != bytes(4):
            raise Ended("the display refused")
        way.send(b"\x01")
        self.width, self.height, _, name_bytes = struct.unpack(">HH16sI", way.read(24))
        way.read(name_bytes)
        way.send(struct.pack(">BxHi", 2, 1, encoding))
        self.update(is_incremental=False)

    @property
    def received_bytes(self) -> int:
        """Of the display's bytes, so far."""
        return self._way.received_bytes

    def update(self, *, is_incremental: bool = True) -> float:
        """Asks for what changed, and waits for it. Returns seconds."""
        started = time.perf_counter()
        self.ask(is_incremental=is_incremental)
        self.receive()
        return time.perf_counter() - started

    def ask(self, *, is_incremental: bool = True) -> None:
        """FramebufferUpdateRequest of the whole screen."""
        self._way.send(struct.pack(">BBHHHH", 3, is_incremental, 0, 0, self.width, self.height))

    def receive(self) -> None:
        """Reads up to the end of the next update."""
        while self._message() != _UPDATE:
            pass

    def press(self, key: str) -> None:
        """A key down and up again."""
        keysym = _KEYSYMS.get(key, ord(key))
        self._way.send(b"".join(struct.pack(">BBxxI", 4, is_down, keysym) for is_down in (1, 0)))

    def type_line(self, text: str, *, pause_seconds: float = 0.05) -> None:
        """A line of characters that need no Shift, and Return."""
        for key in [*text, RETURN]:
            self.press(key)
            time.sleep(pause_seconds)

    def close(self) -> None:
        """At once."""
        self._way.close()

    def _message(self) -> int:
        kind = self._way.read(1)[0]
        if kind == _UPDATE:
            (count,) = struct.unpack(">xH", self._way.read(3))
            for _ in range(count):
                self._rectangle()
        elif kind == _COLOURS:
            (count,) = struct.unpack(">xHH", self._way.read(5))[1:]
            self._way.read(6 * count)
        elif kind == _CUT_TEXT:
            (length,) = struct.unpack(">3xI", self._way.read(7))
            self._way.read(length)
        elif kind != _BELL:
            raise Ended(f"a message of type {kind}, which nobody asked for")
        return kind

    def _rectangle(self) -> None:
        _, _, width, height, encoding = struct.unpack(">HHHHi", self._way.read(12))
        if encoding == RAW:
            self._way.read(width * height * PIXEL_BYTES)
        elif encoding == ZRLE:
            (length,) = struct.unpack(">I", self._way.read(4))
            self._way.read(length)
        else:
            raise Ended(f"a rectangle of encoding {encoding}, which nobody asked for")
