"""Following frames: at whatever byte a stream is cut, what goes on is the stream, and it can be ended at a border."""

from __future__ import annotations

import itertools

import pytest
from eve_agent.transport.websocket import Opcode, frame
from hypothesis import given
from hypothesis import strategies as st

from consoles.framing import BadFrame, FrameTracker, close_frame, close_words

PAYLOADS = st.one_of(
    st.binary(max_size=130), st.integers(0, 70_000).map(lambda size: b"x" * size), st.just(b""), st.just(bytes(65536))
)
FRAMES = st.lists(
    st.one_of(
        PAYLOADS.map(lambda payload: frame(Opcode.BINARY, payload)),
        st.binary(max_size=125).map(lambda payload: frame(Opcode.PING, payload)),
        st.binary(max_size=125).map(lambda payload: frame(Opcode.PONG, payload)),
    ),
    max_size=6,
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(FRAMES, st.lists(st.integers(0, 1 << 20), max_size=12))
def test_what_goes_on_is_the_stream(frames: list[bytes], places: list[int]) -> None:
    tracker, stream = FrameTracker(), b"".join(frames)
    assert b"".join(tracker.feed(piece) for piece in cut(stream, places)) == stream
    assert tracker.padding() == b""
    assert tracker.close_payload is None


@given(FRAMES, st.integers(0, 1 << 20), st.lists(st.integers(0, 1 << 20), max_size=4))
def test_a_stream_that_breaks_off_is_completed_to_a_border(frames: list[bytes], end: int, places: list[int]) -> None:
    stream = b"".join(frames)
    stream = stream[: end % (len(stream) + 1)]
    tracker = FrameTracker()
    sent = b"".join(tracker.feed(piece) for piece in cut(stream, places)) + tracker.padding()
    follower = FrameTracker()
    assert follower.feed(sent + close_frame(4001, "gone")) == sent
    assert follower.close_payload is not None
    assert close_words(follower.close_payload) == (4001, "gone")


@given(FRAMES, st.lists(st.integers(0, 1 << 20), max_size=8))
def test_a_close_frame_and_what_follows_it_stay_back(frames: list[bytes], places: list[int]) -> None:
    before = b"".join(frames)
    tracker = FrameTracker()
    pieces = cut(before + close_frame(4007, "off") + b"\x82\x05later", places)
    assert b"".join(tracker.feed(piece) for piece in pieces) == before
    assert tracker.close_payload == b"\x0f\xa7off"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", id="http"),
        pytest.param(b"\x81\x02hi", id="text"),
        pytest.param(b"\xc2\x02hi", id="reserved bit"),
        pytest.param(b"\x82\x82maskhi", id="masked"),
        pytest.param(b"\x89\x7e\x00\x80" + bytes(128), id="long ping"),
        pytest.param(b"\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", id="4 GiB"),
        pytest.param(b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", id="negative"),
    ],
)
def test_what_no_agent_sends_ends_it(bad: bytes) -> None:
    with pytest.raises(BadFrame):
        FrameTracker().feed(b"\x82\x01x" + bad)


def test_the_frame_before_a_bad_one_can_still_be_completed() -> None:
    tracker = FrameTracker()
    assert len(tracker.feed(b"\x82\x7e\x03\xe8" + bytes(500))) == 504
    with pytest.raises(BadFrame):
        tracker.feed(bytes(500) + b"HTTP/1.1 500")
    assert tracker.padding() == bytes(500)


def test_a_flood_of_tiny_frames_ends_it() -> None:
    with pytest.raises(BadFrame):
        FrameTracker().feed(b"\x82\x00" * 131_072)


def test_a_long_reason_is_cut_between_letters() -> None:
    payload = close_frame(4002, "ü" * 100)[2:]
    assert len(payload) <= 125
    assert close_words(payload) == (4002, "ü" * 61)
    assert close_words(b"") == (1000, "")
