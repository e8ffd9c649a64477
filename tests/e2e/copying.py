"""A display whose guest copies: an RFB server of plain sockets behind the made-up hypervisor, which says what a test has it say."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
import zlib
from typing import BinaryIO

from tests.services.listening import Listening

WIDTH, HEIGHT = 64, 48
_NAME = b"copying"
_PIXELS = bytes((32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0))
_SERVER_INIT = struct.pack(">HH16sI", WIDTH, HEIGHT, _PIXELS, len(_NAME)) + _NAME
_PICTURE = struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + bytes((200, 200, 200, 0)) * (WIDTH * HEIGHT)
_UPDATE_REQUEST, _CUT_TEXT = 3, 6
_LENGTHS = {0: 20, _UPDATE_REQUEST: 10, 4: 8, 5: 6}
_TEXT, _CAPS, _REQUEST, _NOTIFY, _PROVIDE = 1, 1 << 24, 1 << 25, 1 << 27, 1 << 28
_ALL = _TEXT | _CAPS | _REQUEST | _NOTIFY | _PROVIDE
FRAME_SECONDS = 0.05


def cut_text(text: bytes) -> bytes:
    """ServerCutText, as RFC 6143 has it."""
    return struct.pack(">B3xI", 3, len(text)) + text


def extended(flags: int, data: bytes = b"") -> bytes:
    """ServerCutText of the extended clipboard."""
    return struct.pack(">B3xiI", 3, -4 - len(data), flags) + data


class CopyingDisplay(Listening):
    """Shows one grey picture, again and again; with `copies` the guest copied that, and with `says` it sends those bytes."""

    def __init__(self) -> None:
        self.frames = 0
        """Pictures that viewers asked for and got."""
        self.asked = 0
        """How often a viewer asked for what was copied."""
        self.got: list[bytes] = []
        """What viewers put into the clipboard."""
        self._text = b""
        self._open: set[socket.socket] = set()
        self._sending = threading.Lock()
        """Messages go out whole."""
        super().__init__()

    def copies(self, text: bytes) -> None:
        """As QEMU tells it: that there is text, and the text to who asks for it."""
        self._text = text
        self.says(extended(_NOTIFY | _TEXT))

    def says(self, data: bytes) -> None:
        """To all viewers."""
        assert self._open, "nobody watches"
        for sock in list(self._open):
            self._send(sock, data)

    def _send(self, sock: socket.socket, data: bytes) -> None:
        with self._sending:
            sock.sendall(data)

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock, sock.makefile("rb") as stream:
            for said, length in ((b"RFB 003.008\n", 12), (b"\x01\x01", 1), (bytes(4), 1), (_SERVER_INIT, 0)):
                sock.sendall(said)
                stream.read(length)
            sock.sendall(extended(_ALL, bytes(4)))
            self._open.add(sock)
            try:
                while kind := stream.read(1):
                    self._take(kind[0], sock, stream)
            finally:
                self._open.discard(sock)

    def _take(self, kind: int, sock: socket.socket, stream: BinaryIO) -> None:
        if kind == 2:
            stream.read(4 * struct.unpack(">xH", stream.read(3))[0])
        elif kind == _CUT_TEXT:
            self._take_text(sock, stream)
        else:
            stream.read(_LENGTHS[kind] - 1)
        if kind == _UPDATE_REQUEST:
            time.sleep(FRAME_SECONDS)
            self.frames += 1
            self._send(sock, _PICTURE)

    def _take_text(self, sock: socket.socket, stream: BinaryIO) -> None:
        length = struct.unpack(">3xi", stream.read(7))[0]
        data = stream.read(abs(length))
        flags = struct.unpack(">I", data[:4])[0]
        if flags & _CAPS:
            return
        if flags & _REQUEST:
            self.asked += 1
            held = self._text + b"\0"
            self._send(sock, extended(_PROVIDE | _TEXT, zlib.compress(struct.pack(">I", len(held)) + held)))
        elif flags & _NOTIFY:
            self._send(sock, extended(_REQUEST | _TEXT))
        elif flags & _PROVIDE:
            self.got.append(zlib.decompressobj().decompress(data[4:])[4:])  # noVNC does not end its stream
