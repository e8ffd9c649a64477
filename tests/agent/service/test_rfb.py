"""The RFB filter against a second, naive reading of the same protocol, and against QEMU's arithmetic.

What is in ``recorded`` is what noVNC 1.7 in Chromium sent to QEMU 7.2: a line typed, with the pointer moved (``typed``), pointer and wheel
(``pointed``), texts for the guest's clipboard, some of them extended (``clipboard``), and a screen that is only watched (``watched``).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from eve_agent.service.rfb import MAX_ENCODINGS, MAX_HELD_BYTES, BadMessage, CannotDemote, RfbFilter
from eve_agent.wire.console import ConsoleMode
from hypothesis import given
from hypothesis import strategies as st

CONTROL, VIEW = ConsoleMode.CONTROL, ConsoleMode.VIEW
HELLO = b"RFB 003.008\n"
HANDSHAKE = HELLO + b"\x01\x00"
HANDSHAKE_OUT = HELLO + b"\x01\x01"


def u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def u32(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "big")


def encodings(*numbers: int) -> bytes:
    return b"\x02\x00" + u16(len(numbers)) + b"".join(u32(number) for number in numbers)


def cut_text(text: bytes, *, is_extended: bool = False) -> bytes:
    return b"\x06\x00\x00\x00" + u32(-len(text) if is_extended else len(text)) + text


PIXEL_FORMAT = b"\x00" + bytes(3) + bytes((32, 24, 0, 1)) + bytes(12)
REPAINT = b"\x03\x01" + bytes(8)
KEY = b"\x04\x01\x00\x00" + u32(97)
POINTER = b"\x05\x01" + u16(10) + u16(20)
CONTINUOUS = b"\x96\x01" + bytes(8)
FENCE = b"\xf8\x00\x00\x00" + u32(1) + b"\x03abc"
XVP = b"\xfa\x00\x01\x02"
DESKTOP_SIZE = b"\xfb\x00" + u16(800) + u16(600) + b"\x02\x00" + bytes(32)
QEMU_KEY = b"\xff\x00" + u16(1) + u32(97) + u32(30)
AUDIO_ON = b"\xff\x01" + u16(0)
AUDIO_OFF = b"\xff\x01" + u16(1)
AUDIO_FORMAT = b"\xff\x01" + u16(2) + b"\x03\x02" + u32(44100)

LOOKING = [PIXEL_FORMAT, encodings(0, 5, -223), encodings(), REPAINT, CONTINUOUS, FENCE]
INPUTS = [KEY, POINTER, QEMU_KEY, cut_text(b"secret"), cut_text(b""), cut_text(b"zlib", is_extended=True)]
OTHERS = [XVP, DESKTOP_SIZE, AUDIO_ON, AUDIO_OFF, AUDIO_FORMAT]

messages = st.one_of(
    st.sampled_from(LOOKING + INPUTS + OTHERS),
    st.binary(max_size=300).map(cut_text),
    st.binary(min_size=1, max_size=300).map(lambda text: cut_text(text, is_extended=True)),
    st.lists(st.sampled_from([0, 1, 5, 7, 16, -223, -224, -258, -313]), max_size=40).map(lambda them: encodings(*them)),
    st.binary(max_size=255).map(lambda body: b"\xf8\x00\x00\x00" + u32(0) + bytes([len(body)]) + body),
    st.integers(0, 255).map(lambda count: b"\xfb\x00\x00\x00\x00\x00" + bytes([count, 0]) + bytes(16 * count)),
)


def fed(mode: ConsoleMode, data: bytes, cuts: list[int]) -> bytes:
    """What passes of `data`, cut at `cuts`."""
    filter_ = RfbFilter(mode)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    out = b""
    for start, end in pairwise(places):
        out += filter_.feed(data[start:end])
        assert len(filter_._held) <= MAX_HELD_BYTES
    return out


@given(
    st.lists(messages, max_size=12), st.lists(st.integers(0, 1 << 16), max_size=12), st.sampled_from([CONTROL, VIEW])
)
def test_any_cut_gives_the_same(stream: list[bytes], cuts: list[int], mode: ConsoleMode):
    allowed = [message for message in stream if mode is CONTROL or message[0] in (0, 2, 3, 150, 248)]
    assert fed(mode, HANDSHAKE + b"".join(stream), cuts) == HANDSHAKE_OUT + b"".join(allowed)


@pytest.mark.parametrize("mode", [CONTROL, VIEW])
def test_one_byte_at_a_time(mode: ConsoleMode):
    data = HANDSHAKE + b"".join(LOOKING + INPUTS + OTHERS)
    expected = HANDSHAKE_OUT + b"".join(LOOKING + (INPUTS + OTHERS if mode is CONTROL else []))
    assert fed(mode, data, list(range(len(data)))) == expected


def as_qemu_reads(data: bytes, *, knows_fences: bool) -> list[bytes]:
    """The messages in a stream, by QEMU's own arithmetic (``protocol_client_msg``), ending where it hangs up.

    QEMU 7–10 hangs up at 150 and 248; `knows_fences` reads on as a display that has those extensions.
    """
    found, at = [], len(HANDSHAKE)
    sizes = {0: 20, 2: 4, 3: 10, 4: 8, 5: 6, 6: 8, 250: 4, 251: 8, 255: 12}
    if knows_fences:
        sizes |= {150: 10, 248: 9}
    while at < len(data):
        kind = data[at]
        if kind not in sizes:
            break
        size = sizes[kind]
        if kind == 2:
            size += 4 * int.from_bytes(data[at + 2 : at + 4], "big")
        elif kind == 6:
            size += abs(int.from_bytes(data[at + 4 : at + 8], "big", signed=True))
        elif kind == 248 and at + 8 < len(data):
            size += data[at + 8]
        elif kind == 251 and at + 6 < len(data):
            size += 16 * data[at + 6]
        elif kind == 255 and data[at + 1 : at + 2] == b"\x01":
            size = 10 if data[at + 2 : at + 4] == b"\x00\x02" else 4
        found.append(data[at : at + size])
        at += size
    return found


RECORDED = {path.stem: path.read_bytes() for path in sorted((Path(__file__).parent / "recorded").glob("*.rfb"))}


def what_passes(name: str, mode: ConsoleMode) -> bytes:
    """Of a recorded stream: all, or what looking takes; without the extended pointer, which noVNC offers."""
    stream = RECORDED[name]
    sent = as_qemu_reads(stream, knows_fences=False)
    assert HANDSHAKE_OUT + b"".join(sent) == stream
    offered = next(message for message in sent if message[0] == 2)
    assert u32(-316) in offered
    passed = [message for message in sent if mode is CONTROL or message[0] in (0, 2, 3)]
    return HANDSHAKE_OUT + b"".join(passed).replace(offered, offered.replace(u32(-316), u32(0)))


def test_recorded_streams_have_what_novnc_sends():
    kinds = {
        name: {message[0] for message in as_qemu_reads(data, knows_fences=False)} for name, data in RECORDED.items()
    }
    assert kinds["typed"] == {0, 2, 3, 5, 6, 255}
    assert kinds["pointed"] >= {5}
    assert kinds["clipboard"] >= {6}
    assert kinds["watched"] == {0, 2, 3, 6}


@pytest.mark.parametrize("mode", [CONTROL, VIEW])
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_stream_cut_at_every_position(name: str, mode: ConsoleMode):
    stream, expected = RECORDED[name], what_passes(name, mode)
    for cut in range(len(stream) + 1):
        assert fed(mode, stream, [cut]) == expected
    assert fed(mode, stream, list(range(len(stream)))) == expected


@given(
    st.sampled_from(list(RECORDED)), st.lists(st.integers(0, 1 << 16), max_size=12), st.sampled_from([CONTROL, VIEW])
)
def test_a_recorded_stream_cut_anywhere_several_times(name: str, cuts: list[int], mode: ConsoleMode):
    assert fed(mode, RECORDED[name], cuts) == what_passes(name, mode)


noises = st.one_of(
    st.binary(max_size=600), st.lists(st.one_of(messages, st.binary(max_size=12)), max_size=20).map(b"".join)
)


@given(noises, st.lists(st.integers(0, 600), max_size=6))
def test_no_bytes_whatever_bring_input_to_qemu(noise: bytes, cuts: list[int]):
    """A hostile viewer of a view-only session: QEMU never reads a key, pointer, clipboard, power or size message."""
    filter_ = RfbFilter(VIEW)
    out = filter_.feed(HANDSHAKE)
    places = [0, *sorted(cut % (len(noise) + 1) for cut in cuts), len(noise)]
    for start, end in pairwise(places):
        try:
            out += filter_.feed(noise[start:end])
        except BadMessage:
            break
    for knows_fences in (False, True):
        read = as_qemu_reads(out, knows_fences=knows_fences)
        assert not {message[0] for message in read} & {4, 5, 6, 250, 251, 255}


@pytest.mark.parametrize("kind", range(256))
def test_every_type_in_a_view_only_session(kind: int):
    """Each type there is, after each that passes: what looking takes comes out whole, the rest not at all."""
    examples = {message[0]: message for message in LOOKING + INPUTS + OTHERS}
    for before in [b"", *LOOKING]:
        filter_ = RfbFilter(VIEW)
        assert filter_.feed(HANDSHAKE + before) == HANDSHAKE_OUT + before
        if kind in examples:
            passes = kind in {message[0] for message in LOOKING}
            assert filter_.feed(examples[kind] + KEY + POINTER + QEMU_KEY) == (examples[kind] if passes else b"")
        else:
            with pytest.raises(BadMessage):
                filter_.feed(bytes([kind]) + bytes(40))


@given(st.lists(messages, max_size=12))
def test_input_is_counted_once_and_nothing_else_is(stream: list[bytes]):
    filter_ = RfbFilter(VIEW)
    data = HANDSHAKE + b"".join(stream)
    for at in range(0, len(data), 7):
        filter_.feed(data[at : at + 7])
    assert filter_.inputs == sum(message[0] in (4, 5, 6) or message[:2] == b"\xff\x00" for message in stream)


def test_what_is_complete_goes_through_as_it_came():
    filter_ = RfbFilter(CONTROL)
    filter_.feed(HANDSHAKE)
    assert filter_.feed(KEY) == KEY
    assert filter_.feed(KEY[:7]) == b""
    assert filter_.feed(KEY[7:]) == KEY


@pytest.mark.parametrize("is_extended", [False, True])
def test_a_huge_clipboard_is_not_held(is_extended: bool):
    length = 1 << 31
    header = b"\x06\x00\x00\x00" + u32(-length if is_extended else length - 1)
    for mode, passed in ((CONTROL, bytes(65536)), (VIEW, b"")):
        filter_ = RfbFilter(mode)
        filter_.feed(HANDSHAKE + header)
        for _ in range(32):
            assert filter_.feed(bytes(65536)) == passed
        assert filter_._held == b""


def test_demotion_takes_hold_inside_a_clipboard_message():
    filter_ = RfbFilter(CONTROL)
    text = cut_text(b"abcdef")
    assert filter_.feed(HANDSHAKE + text[:-3]) == HANDSHAKE_OUT + text[:-3]
    filter_.set_mode(VIEW)
    assert filter_.feed(text[-3:] + KEY + REPAINT) == bytes(3) + REPAINT
    filter_.set_mode(CONTROL)
    assert filter_.feed(KEY) == KEY


def test_demotion_inside_a_held_message_drops_it():
    filter_ = RfbFilter(CONTROL)
    filter_.feed(HANDSHAKE + KEY[:5])
    filter_.set_mode(VIEW)
    assert filter_.feed(KEY[5:] + REPAINT) == REPAINT


def test_promotion_inside_a_skipped_clipboard_does_not_revive_it():
    filter_ = RfbFilter(VIEW)
    filter_.feed(HANDSHAKE + cut_text(b"abcdef")[:-3])
    filter_.set_mode(CONTROL)
    assert filter_.feed(b"def" + KEY) == KEY


@pytest.mark.parametrize("unknown", [bytes([1]), bytes([77]), bytes([249]), b"\xff\x02", b"\xff\x01\x00\x03"])
def test_an_unknown_message(unknown: bytes):
    viewing = RfbFilter(VIEW)
    viewing.feed(HANDSHAKE)
    with pytest.raises(BadMessage):
        viewing.feed(unknown)
    controlling = RfbFilter(CONTROL)
    controlling.feed(HANDSHAKE)
    assert controlling.feed(KEY + unknown + b"anything") == KEY + unknown + b"anything"
    assert controlling.is_raw
    assert controlling.feed(b"more") == b"more"
    with pytest.raises(CannotDemote):
        controlling.set_mode(VIEW)
    assert controlling.mode is CONTROL


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        (b"RFB 003.003\n\x00", b"RFB 003.003\n\x01"),
        (b"RFB 003.007\n\x01\x00", b"RFB 003.007\n\x01\x01"),
        (b"RFB 003.008\n\x01\x00", b"RFB 003.008\n\x01\x01"),
        (b"RFB 003.008\n\x02" + bytes(range(16)) + b"\x00", b"RFB 003.008\n\x02" + bytes(range(16)) + b"\x01"),
    ],
    ids=["3.3", "3.7", "3.8", "password"],
)
def test_handshakes_end_shared(sent: bytes, passed: bytes):
    for mode in (CONTROL, VIEW):
        for cut in range(len(sent)):
            assert fed(mode, sent + REPAINT, [cut]) == passed + REPAINT


@pytest.mark.parametrize("mode", [CONTROL, VIEW])
@pytest.mark.parametrize("bad", [b"RFB 003.889\n", b"RFB 004.001\n", b"GET / HTTP/1", HELLO + b"\x13", HELLO + b"\x00"])
def test_other_handshakes_end_the_session(mode: ConsoleMode, bad: bytes):
    """Also a controlling one: past an unknown handshake, an exclusive session could throw the others out."""
    with pytest.raises(BadMessage):
        RfbFilter(mode).feed(bad)


def test_the_extended_pointer_is_never_agreed_on():
    filter_ = RfbFilter(CONTROL)
    filter_.feed(HANDSHAKE)
    assert filter_.feed(encodings(7, -316, -223)) == encodings(7, 0, -223)
    straddling = b"\x02\x00" + u16(2) + b"\x00\x00\xff\xff" + b"\xfe\xc4\x00\x00"
    assert filter_.feed(straddling) == straddling


def test_too_many_encodings():
    filter_ = RfbFilter(CONTROL)
    filter_.feed(HANDSHAKE)
    filter_.feed(encodings(*range(MAX_ENCODINGS)))
    with pytest.raises(BadMessage):
        filter_.feed(b"\x02\x00" + u16(MAX_ENCODINGS + 1))
