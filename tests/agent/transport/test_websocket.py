"""Frames of a websocket's client, cut anywhere."""

from __future__ import annotations

import pytest
from eve_agent.transport.websocket import FRAMES_PER_TURN, FrameError, FrameReader, Opcode, unmask
from eve_agent.wire.close import CloseCode
from hypothesis import given
from hypothesis import strategies as st

MASK = b"\x5a\xc3\x11\x9e"


def masked(payload: bytes, first: int = 0x82) -> bytes:
    length = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes((first,)) + length + MASK + unmask(payload, MASK)


def payload_of(pieces: list[bytes]) -> bytes:
    reader, found = FrameReader(), b""
    for piece in pieces:
        for turn in turns(reader, piece):
            found += b"".join(payload for opcode, payload in turn if opcode is Opcode.BINARY)
    return found


def turns(reader: FrameReader, data: bytes) -> list[list[tuple[Opcode, bytes]]]:
    found = [reader.feed(data)]
    while reader.is_behind:
        found.append(reader.feed(b""))
    return found


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


@pytest.mark.parametrize("payload", [b"", b"k"])
@pytest.mark.parametrize("tail", [b"", b"\x82"])
def test_a_flood_of_tiny_frames_is_taken_turn_by_turn(payload: bytes, tail: bytes):
    reader, count = FrameReader(), 10 * FRAMES_PER_TURN
    found = turns(reader, masked(payload) * count + tail)
    assert len(found) >= 10
    assert all(len(turn) <= FRAMES_PER_TURN for turn in found)
    assert b"".join(piece for turn in found for _, piece in turn) == payload * count
    assert reader.feed((masked(b"last"))[len(tail) :]) == [(Opcode.BINARY, b"last")]
