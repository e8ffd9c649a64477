"""Reading a screen's updates to their end, from a display that is a list of bytes."""

from __future__ import annotations

import struct

import pytest

from benchmarks.relay.client import Ended
from benchmarks.relay.screen import RAW, ZRLE, Screen
from benchmarks.relay.stub import BANNER

HANDSHAKE = BANNER + b"\x01\x01" + bytes(4) + struct.pack(">HH16sI", 4, 2, bytes(16), 3) + b"qvm"
EMPTY_UPDATE = struct.pack(">BxH", 0, 0)


class ScriptedWay:
    """A display that says what it was given."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.sent = b""
        self.received_bytes = 0

    def send(self, data: bytes) -> None:
        self.sent += data

    def read(self, count: int) -> bytes:
        found, self.said = self.said[:count], self.said[count:]
        if len(found) != count:
            raise Ended("the display closed")
        self.received_bytes += count
        return found

    def close(self) -> None: ...


def rectangle(width: int, height: int, encoding: int, body: bytes) -> bytes:
    return struct.pack(">HHHHi", 0, 0, width, height, encoding) + body


def test_an_update_ends_where_its_last_rectangle_ends() -> None:
    update = struct.pack(">BxH", 0, 2) + rectangle(2, 1, RAW, bytes(8)) + rectangle(4, 2, ZRLE, b"\0\0\0\x05zlib!")
    bell, colours, cut_text = b"\x02", struct.pack(">BxHH", 1, 0, 2) + bytes(12), struct.pack(">B3xI", 3, 2) + b"hi"
    way = ScriptedWay(HANDSHAKE + EMPTY_UPDATE + bell + colours + cut_text + update + b"rest")
    screen = Screen(way, encoding=ZRLE, has_banner=False)
    assert (screen.width, screen.height) == (4, 2)
    screen.update()
    assert way.said == b"rest"
    request = struct.pack(">BBHHHH", 3, 1, 0, 0, 4, 2)
    assert way.sent.endswith(request)


def test_keys_go_down_and_up() -> None:
    way = ScriptedWay(HANDSHAKE + EMPTY_UPDATE)
    screen = Screen(way, encoding=RAW, has_banner=False)
    before = len(way.sent)
    screen.type_line("a", pause_seconds=0)
    keys = [struct.unpack(">BBxxI", way.sent[at : at + 8]) for at in range(before, len(way.sent), 8)]
    assert keys == [(4, 1, ord("a")), (4, 0, ord("a")), (4, 1, 0xFF0D), (4, 0, 0xFF0D)]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (BANNER + b"\x01\x02", "authentication"),
        (BANNER + b"\x01\x01" + b"\0\0\0\1", "refused"),
        (HANDSHAKE + b"\x63", "a message of type 99"),
        (HANDSHAKE + struct.pack(">BxH", 0, 1) + rectangle(1, 1, 7, b""), "encoding 7"),
    ],
)
def test_what_it_does_not_understand_ends_it(said: bytes, why: str) -> None:
    with pytest.raises(Ended, match=why):
        Screen(ScriptedWay(said), encoding=RAW, has_banner=False)
