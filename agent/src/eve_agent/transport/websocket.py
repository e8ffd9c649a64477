"""Websocket frames of the server's side (RFC 6455), sans-IO, for a channel of binary data without extensions.

Message borders mean nothing here: payload is handed on as it arrives, so that nothing is collected.
Between two calls a header (14 bytes) or a control frame (125 bytes) is held at most, and what is behind :data:`FRAMES_PER_TURN` frames.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
from collections.abc import Mapping

from eve_agent.errors import BadRequest
from eve_agent.wire.close import CloseCode

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_MESSAGE_BYTES = 1 << 20
MAX_CONTROL_BYTES = 125
FRAMES_PER_TURN = 256
"""As many are cut out of one call's bytes. One read can hold ten thousand empty ones, and whoever shares the loop would wait for them all."""
_SHORT_HEAD_BYTES = 6
"""Of a masked frame with at most 125 bytes."""
_WHOLE_BINARY = 0x82


class Opcode(enum.IntEnum):
    """RFC 6455, 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class FrameError(Exception):
    """The peer broke the protocol; the connection has to be closed with `code`."""

    def __init__(self, code: CloseCode, why: str) -> None:
        super().__init__(why)
        self.code = code


def accept_key(headers: Mapping[str, str]) -> str:
    """The ``Sec-WebSocket-Accept`` for a request's headers. Raises BadRequest where they ask for no websocket."""
    tokens = {token.strip().lower() for token in headers.get("Connection", "").split(",")}
    if headers.get("Upgrade", "").strip().lower() != "websocket" or "upgrade" not in tokens:
        raise BadRequest("this path is a websocket: send Connection: Upgrade and Upgrade: websocket")
    if headers.get("Sec-WebSocket-Version", "") != "13":
        raise BadRequest("only version 13 of the websocket protocol is spoken here")
    key = headers.get("Sec-WebSocket-Key", "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        is_key = False
    if not is_key:
        raise BadRequest("the header Sec-WebSocket-Key is missing or malformed")
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """One final, unmasked frame."""
    length = len(payload)
    if length < 126:
        header = bytes((0x80 | opcode, length))
    elif length < 1 << 16:
        header = bytes((0x80 | opcode, 126)) + length.to_bytes(2, "big")
    else:
        header = bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big")
    return header + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; `reason` is cut to what fits."""
    return frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode()[: MAX_CONTROL_BYTES - 2])


def unmask(data: bytes, mask: bytes) -> bytes:
    """`data` XOR `mask` repeated (RFC 6455, 5.3)."""
    length = len(data)
    pattern = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pattern, "little")).to_bytes(length, "little")


class FrameReader:
    """Cuts the client's bytes into payload and control frames."""

    __slots__ = ("_held", "_in_message", "_left", "_mask", "_max_message_bytes", "_message_bytes", "is_behind")

    def __init__(self, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._held = b""
        self._mask = b""
        self._left = 0
        self._in_message = False
        self._message_bytes = 0
        self.is_behind = False
        """Whether there is more in what was fed: feed it on, with nothing if nothing came."""

    def feed(self, data: bytes) -> list[tuple[Opcode, bytes]]:
        """What `data` completes: pieces of payload as (BINARY, bytes), and whole CLOSE, PING and PONG frames.

        Raises:
            FrameError: what came before it in `data` is lost with the connection.
        """
        if self._held:
            data = self._held + data
            self._held, self.is_behind = b"", False
        # What a key is, and nearly all that viewers send:
        if _is_one_short_frame(data) and not (self._left or self._in_message):
            return [(Opcode.BINARY, unmask(data[_SHORT_HEAD_BYTES:], data[2:_SHORT_HEAD_BYTES]))]
        found: list[tuple[Opcode, bytes]] = []
        position = frames = 0
        while position < len(data):
            if self._left:
                position += self._take_payload(data, position, found)
                continue
            taken = self._take_frame(data, position, found) if frames < FRAMES_PER_TURN else 0
            if not taken:
                self._held = data[position:]
                break
            position += taken
            frames += 1
        if frames == FRAMES_PER_TURN and self._held:
            self.is_behind = True
        return found

    def _take_payload(self, data: bytes, start: int, found: list[tuple[Opcode, bytes]]) -> int:
        length = min(self._left, len(data) - start)
        found.append((Opcode.BINARY, unmask(data[start : start + length], self._mask)))
        self._left -= length
        turn = length % 4
        self._mask = self._mask[turn:] + self._mask[:turn]
        return length

    def _take_frame(self, data: bytes, start: int, found: list[tuple[Opcode, bytes]]) -> int:
        """Takes a header (of a control frame: all of it); returns its length, or 0 where more bytes are needed."""
        available = len(data) - start
        if available < 2:
            return 0
        first, second = data[start], data[start + 1]
        opcode = self._opcode(first)
        if not second & 0x80:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a client's frames have to be masked")
        length = second & 0x7F
        header = 2 + {126: 2, 127: 8}.get(length, 0) + 4
        if opcode >= Opcode.CLOSE:
            if length > MAX_CONTROL_BYTES or not first & 0x80:
                raise FrameError(CloseCode.PROTOCOL_ERROR, "a control frame is short and whole")
            if available < header + length:
                return 0
            payload = data[start + header : start + header + length]
            found.append((opcode, unmask(payload, data[start + 2 : start + header])))
            return header + length
        if available < header:
            return 0
        if length > MAX_CONTROL_BYTES:
            length = self._long_length(data[start + 2 : start + header - 4])
        self._begin(opcode, is_final=bool(first & 0x80), length=length)
        self._mask = data[start + header - 4 : start + header]
        return header

    def _opcode(self, first: int) -> Opcode:
        if first & 0x70:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "reserved bits are set, but no extension was agreed on")
        try:
            opcode = Opcode(first & 0x0F)
        except ValueError:
            raise FrameError(CloseCode.PROTOCOL_ERROR, f"unknown frame type {first & 0x0F}") from None
        if opcode is Opcode.TEXT:
            raise FrameError(CloseCode.UNSUPPORTED_DATA, "a console takes binary frames only")
        return opcode

    def _begin(self, opcode: Opcode, *, is_final: bool, length: int) -> None:
        if (opcode is Opcode.CONTINUATION) != self._in_message:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a fragment out of order")
        self._message_bytes = self._message_bytes + length if self._in_message else length
        if self._message_bytes > self._max_message_bytes:
            raise FrameError(CloseCode.MESSAGE_TOO_BIG, f"a message may have {self._max_message_bytes} bytes")
        self._in_message = not is_final
        self._left = length

    @staticmethod
    def _long_length(digits: bytes) -> int:
        length = int.from_bytes(digits, "big")
        if length >> 63 or length < (126 if len(digits) == 2 else 1 << 16):
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a length that is not in its shortest form")
        return length


def _is_one_short_frame(data: bytes) -> bool:
    length = len(data) - _SHORT_HEAD_BYTES
    return 0 < length <= MAX_CONTROL_BYTES and data[0] == _WHOLE_BINARY and data[1] == 0x80 | length


def close_code(payload: bytes) -> int | None:
    """The code in a CLOSE frame's payload; None where there is none. Raises FrameError for one that may not be sent."""
    if not payload:
        return None
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in (1004, 1005, 1006):
        raise FrameError(CloseCode.PROTOCOL_ERROR, "a close code that may not be sent")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(CloseCode.PROTOCOL_ERROR, "a close reason that is no UTF-8") from None
    return code
