"""The filter of what a viewer sends to a display: a sans-IO parser of RFB's client-to-server half.

Sources: RFC 6143; the community's "RFB protocol" document for the extensions; ``ui/vnc.c`` of QEMU 7–10 and
``core/rfb.js`` of noVNC 1.7 for what they really exchange.

The filter stays byte-exact in step with QEMU's own parser: whatever passes has the length that QEMU gives it, so
that nothing can be hidden inside a message that is let through. Two things follow. The extension of the pointer message
to seven bytes (pseudo-encoding -316, which noVNC offers) is struck from SetEncodings, since only the server's half
would tell whether it was agreed on. And a handshake that is not one of QEMU's ends the session in either mode.

Memory: at most :data:`MAX_HELD_BYTES` are held between two calls; a clipboard of any size is streamed or skipped.
"""

from __future__ import annotations

import enum

from eve_agent.wire.console import ConsoleMode

MAX_ENCODINGS = 1024
"""QEMU takes 65535, noVNC sends about 30."""
MAX_HELD_BYTES = 4 + 4 * MAX_ENCODINGS
"""The longest message that is held until it is complete (SetEncodings; SetDesktopSize ends at 4088)."""

_VERSIONS = (b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n")
_SECURITY_NONE = 1
_SECURITY_VNC = 2
_VNC_RESPONSE_BYTES = 16

_SET_ENCODINGS = 2
_KEY = 4
_POINTER = 5
_CUT_TEXT = 6
_FENCE = 248
_DESKTOP_SIZE = 251
_QEMU = 255
_QEMU_KEY = 0
_QEMU_AUDIO = 1

_HEADER_BYTES = {0: 20, _SET_ENCODINGS: 4, 3: 10, _KEY: 8, _POINTER: 6, _CUT_TEXT: 8, 150: 10, _FENCE: 9, 250: 4}
_HEADER_BYTES |= {_DESKTOP_SIZE: 8, _QEMU: 2}
_INPUTS = frozenset({_KEY, _POINTER, _CUT_TEXT})
_COMMON_BYTES = {kind: _HEADER_BYTES[kind] for kind in (3, _KEY, _POINTER)}
"""Of the messages that have one length only and come most often."""
_VIEW_PASSES = frozenset({0, _SET_ENCODINGS, 3, 150, _FENCE})
"""SetPixelFormat, SetEncodings, FramebufferUpdateRequest, EnableContinuousUpdates, ClientFence: what looking takes."""

_EXTENDED_POINTER = (-316).to_bytes(4, "big", signed=True)
_RAW_ENCODING = bytes(4)


class BadMessage(Exception):
    """The viewer sent what this session does not allow; the session has to end."""


class CannotDemote(Exception):
    """The filter no longer knows where messages begin, so that it cannot hold keys back from here on."""


class _Stage(enum.Enum):
    VERSION = enum.auto()
    SECURITY = enum.auto()
    VNC_RESPONSE = enum.auto()
    INIT = enum.auto()
    MESSAGES = enum.auto()


class _Body(enum.Enum):
    """What happens to the rest of a clipboard message."""

    PASS = enum.auto()
    BLANK = enum.auto()
    SKIP = enum.auto()


class RfbFilter:
    """Feed it the viewer's bytes, cut anywhere; it returns those that may go to the display."""

    __slots__ = ("_body", "_body_bytes", "_held", "_is_raw", "_mode", "_stage", "inputs")

    def __init__(self, mode: ConsoleMode) -> None:
        self._mode = mode
        self._stage = _Stage.VERSION
        self._held = b""
        self._is_raw = False
        self._body_bytes = 0
        self._body = _Body.PASS
        self.inputs = 0
        """How many key, pointer and clipboard messages were seen, passed or not: what counts as "not idle"."""

    @property
    def mode(self) -> ConsoleMode:
        """What the viewer may do."""
        return self._mode

    @property
    def is_raw(self) -> bool:
        """Whether an unknown message made this (controlling) session pass everything from there on."""
        return self._is_raw

    def set_mode(self, mode: ConsoleMode) -> None:
        """Changes the mode from the next message on; a clipboard that is on its way goes on as zeros.

        Raises:
            CannotDemote: the session passes everything unparsed.
        """
        if mode is ConsoleMode.VIEW and self._is_raw:
            raise CannotDemote
        if mode is ConsoleMode.VIEW and self._body is _Body.PASS:
            self._body = _Body.BLANK
        self._mode = mode

    def feed(self, data: bytes) -> bytes:
        """What of `data` (and of what was held) goes on to the display.

        Raises:
            BadMessage: the session has to end; nothing of `data` may go on.
        """
        if self._is_raw:
            return data
        if self._held:
            data = self._held + data
            self._held = b""
        if self._is_one_common_message(data):
            return self._pass_common_message(data)
        out: list[bytes] = []
        position = 0
        while position < len(data):
            if self._body_bytes:
                position += self._take_body(data, position, out)
                continue
            taken = self._take(data, position, out)
            if not taken:
                self._held = data[position:]
                break
            position += taken
        return out[0] if len(out) == 1 else b"".join(out)

    def _is_one_common_message(self, data: bytes) -> bool:
        return (
            self._stage is _Stage.MESSAGES
            and not self._body_bytes
            and bool(data)
            and len(data) == _COMMON_BYTES.get(data[0])
        )

    def _pass_common_message(self, data: bytes) -> bytes:
        kind = data[0]
        self.inputs += kind in _INPUTS
        return data if self._mode is ConsoleMode.CONTROL or kind in _VIEW_PASSES else b""

    def _take(self, data: bytes, start: int, out: list[bytes]) -> int:
        """Handles what begins at `start`; returns its length, or 0 where more bytes are needed."""
        if self._stage is _Stage.MESSAGES:
            return self._take_message(data, start, out)
        return self._take_handshake(data, start, out)

    def _take_handshake(self, data: bytes, start: int, out: list[bytes]) -> int:
        if self._stage is _Stage.VERSION:
            if len(data) - start < len(_VERSIONS[0]):
                return 0
            version = data[start : start + len(_VERSIONS[0])]
            if version not in _VERSIONS:
                raise BadMessage("no RFB version that QEMU speaks")
            # In 3.3 the server decides on the security type; behind SKIPAUTH that is "None".
            self._stage = _Stage.INIT if version == _VERSIONS[0] else _Stage.SECURITY
            out.append(version)
            return len(version)
        if self._stage is _Stage.SECURITY:
            chosen = data[start]
            if chosen not in (_SECURITY_NONE, _SECURITY_VNC):
                raise BadMessage(f"security type {chosen} was not offered")
            self._stage = _Stage.INIT if chosen == _SECURITY_NONE else _Stage.VNC_RESPONSE
            out.append(data[start : start + 1])
            return 1
        if self._stage is _Stage.VNC_RESPONSE:
            if len(data) - start < _VNC_RESPONSE_BYTES:
                return 0
            self._stage = _Stage.INIT
            out.append(data[start : start + _VNC_RESPONSE_BYTES])
            return _VNC_RESPONSE_BYTES
        # ClientInit: an exclusive session would throw the other viewers out (RFC 6143, 7.3.1).
        self._stage = _Stage.MESSAGES
        out.append(b"\x01")
        return 1

    def _take_message(self, data: bytes, start: int, out: list[bytes]) -> int:
        kind = data[start]
        length = self._length(data, start)
        if length is None:
            if self._mode is ConsoleMode.VIEW:
                raise BadMessage(f"message type {kind} is not known here")
            self._is_raw = True
            out.append(data[start:])
            return len(data) - start
        if len(data) - start < length or not length:
            return 0
        if kind in _INPUTS or (kind == _QEMU and data[start + 1] == _QEMU_KEY):
            self.inputs += 1
        passes = self._mode is ConsoleMode.CONTROL or kind in _VIEW_PASSES
        if kind == _CUT_TEXT:
            # The length is negative in an extended clipboard message.
            self._body_bytes = abs(int.from_bytes(data[start + 4 : start + 8], "big", signed=True))
            self._body = _Body.PASS if passes else _Body.SKIP
        if passes:
            message = data[start : start + length]
            out.append(_without_extended_pointer(message) if kind == _SET_ENCODINGS else message)
        return length

    def _take_body(self, data: bytes, start: int, out: list[bytes]) -> int:
        length = min(self._body_bytes, len(data) - start)
        self._body_bytes -= length
        if self._body is _Body.PASS:
            out.append(data[start : start + length])
        elif self._body is _Body.BLANK:
            out.append(bytes(length))
        return length

    @staticmethod
    def _length(data: bytes, start: int) -> int | None:
        """Bytes of the message at `start` (of a clipboard's: its header); 0: more are needed; None: it is unknown."""
        kind = data[start]
        header = _HEADER_BYTES.get(kind)
        if header is None or len(data) - start < header:
            return None if header is None else 0
        if kind == _SET_ENCODINGS:
            count = int.from_bytes(data[start + 2 : start + 4], "big")
            if count > MAX_ENCODINGS:
                raise BadMessage(f"{count} encodings, at most {MAX_ENCODINGS} are taken")
            return header + 4 * count
        if kind == _FENCE:
            return header + data[start + 8]
        if kind == _DESKTOP_SIZE:
            return header + 16 * data[start + 6]
        if kind == _QEMU:
            return _qemu_length(data, start)
        return header


def _qemu_length(data: bytes, start: int) -> int | None:
    """As :meth:`RfbFilter._length`, of QEMU's own messages."""
    if data[start + 1] == _QEMU_KEY:
        return 12
    if data[start + 1] != _QEMU_AUDIO:
        return None
    if len(data) - start < 4:
        return 0
    return {0: 4, 1: 4, 2: 10}.get(int.from_bytes(data[start + 2 : start + 4], "big"))


def _without_extended_pointer(message: bytes) -> bytes:
    """SetEncodings with the extended pointer's number replaced by Raw's, which every client has anyway."""
    if _EXTENDED_POINTER not in message:
        return message
    numbers = (message[at : at + 4] for at in range(4, len(message), 4))
    return message[:4] + b"".join(_RAW_ENCODING if number == _EXTENDED_POINTER else number for number in numbers)
