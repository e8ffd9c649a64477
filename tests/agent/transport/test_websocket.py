"""Frames of a websocket's client, cut anywhere."""

from __future__ import annotations

import pytest
from eve_agent.transport.websocket import FrameError, FrameReader, Opcode, unmask
from eve_agent.wire.close import CloseCode
from hypothesis import given
from hypothesis import strategies as st

MASK = b"\x5a\xc3\x11\x9e"


def masked(payload: bytes, first: int = 0x82) -> bytes:
    length = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes((first,)) + length + MASK + unmask(payload, MASK)


def payload_of(pieces: list[bytes]) -> bytes:
    reader = FrameReader()
    return b"".join(found for piece in pieces for opcode, found in reader.feed(piece) if opcode is Opcode.BINARY)


@given(st.lists(st.binary(max_size=140), max_size=8))
def test_frames_say_the_same_whole_together_and_byte_by_byte(messages: list[bytes]):
    frames = [masked(message) for message in messages]
    stream = b"".join(frames)
    ways = [frames, [stream], [stream[at : at + 1] for at in range(len(stream))]]
    assert [payload_of(way) for way in ways] == [b"".join(messages)] * 3


def test_a_whole_frame_inside_a_fragmented_message_is_refused():
    reader = FrameReader()
    reader.feed(masked(b"ab", first=0x02))
    with pytest.raises(FrameError) as refused:
        reader.feed(masked(b"key"))
    assert refused.value.code is CloseCode.PROTOCOL_ERROR


def test_what_looks_like_a_frame_inside_a_payload_is_payload():
    reader, inner = FrameReader(), masked(b"key")
    raw = b"abcd" + inner
    found = reader.feed(bytes((0x82, 0x80 | len(raw))) + MASK + b"abcd") + reader.feed(inner)
    assert b"".join(payload for _, payload in found) == unmask(raw, MASK)
