"""Where one websocket frame ends and the next begins (RFC 6455, 5.2), in what a server sends: lengths only, payload unread."""

from __future__ import annotations

from eve_agent.wire.close import CloseCode

MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_FRAMES_AT_ONCE = 4096
"""In one read, of 256 KiB at most: each costs the loop that serves everybody a few microseconds."""
_DATA = frozenset({0x82, 0x02, 0x00, 0x80})
"""A binary message: whole, its beginning, its middle, its end."""
_PING, _PONG, _CLOSE = 0x89, 0x8A, 0x88
_CONTROL = frozenset({_PING, _PONG, _CLOSE})
_MAX_CONTROL_BYTES = 125


class BadFrame(Exception):
    """What no agent sends."""


class FrameTracker:
    """Follows a stream's frames. A header goes on only when it is complete, a close frame never."""

    __slots__ = ("_held", "_left", "close_payload")

    def __init__(self) -> None:
        self._left = 0
        self._held = b""
        self.close_payload: bytes | None = None
        """Of the close frame; nothing after it counts."""

    def feed(self, data: bytes) -> bytes:
        """What of the stream may go on now. Raises BadFrame."""
        size = len(data)
        if size <= self._left:
            self._left -= size
            return data
        if self._held:
            data = self._held + data
            size = len(data)
            self._held = b""
        position, frames = self._left, 0
        while position < size:
            whole = self._frame_bytes(data, position)
            frames += 1
            if frames > MAX_FRAMES_AT_ONCE:
                raise BadFrame("a flood of tiny frames")
            if whole is None:
                self._held, self._left = data[position:], 0
                return data[:position]
            if data[position] == _CLOSE:
                self._held, self._left = data[position:], 0
                if size - position >= whole:
                    self.close_payload = data[position + 2 : position + whole]
                return data[:position]
            position += whole
        self._left = position - size
        return data

    def padding(self) -> bytes:
        """What completes the frame that is under way, so that another may follow."""
        padding, self._left = bytes(self._left), 0
        return padding

    @staticmethod
    def _frame_bytes(data: bytes, start: int) -> int | None:
        """The length of the frame at `start`, header and payload; None while its header is not whole."""
        first = data[start]
        if first not in _DATA and first not in _CONTROL:
            raise BadFrame(f"a frame that begins with 0x{first:02x}")
        if len(data) - start < 2:
            return None
        length = data[start + 1]
        if length > 127:
            raise BadFrame("a masked frame")
        if length <= _MAX_CONTROL_BYTES:
            return 2 + length
        if first in _CONTROL:
            raise BadFrame("a long control frame")
        digits = 2 if length == 126 else 8
        header = 2 + digits
        if len(data) - start < header:
            return None
        length = int.from_bytes(data[start + 2 : start + header], "big")
        if length > MAX_FRAME_BYTES:
            raise BadFrame(f"a frame of {length} bytes")
        return header + length


def short_reason(text: str) -> str:
    """`text` cut to the 123 bytes of a close frame (RFC 6455, 5.5)."""
    return text.encode()[: _MAX_CONTROL_BYTES - 2].decode(errors="ignore")


def close_frame(code: int, reason: str) -> bytes:
    """An unmasked close frame; `reason` is cut to what fits."""
    payload = code.to_bytes(2, "big") + short_reason(reason).encode()
    return bytes((_CLOSE, len(payload))) + payload


def close_words(payload: bytes) -> tuple[int, str]:
    """Code and reason in a close frame's payload."""
    if len(payload) < 2:
        return CloseCode.NORMAL, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace")
