"""Whether a socket's peer is still there, and still reads."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

STALLED_SECONDS = 40.0
"""Together with the time between two looks below the promised 45."""
_UNACKNOWLEDGED = struct.Struct("@I").unpack_from
_ACKNOWLEDGED = struct.Struct("@Q").unpack_from
_TCP_INFO_BYTES = 160
_TCP_CLOSE = 7
_AT_STATE, _AT_UNACKED, _AT_BYTES_ACKED, _AT_NOTSENT = 0, 24, 120, 144
"""Where ``struct tcp_info`` of <linux/tcp.h> has tcpi_state, tcpi_unacked, tcpi_bytes_acked and tcpi_notsent_bytes (Linux 4.6)."""


class Pulse:
    """One leg of a console. It lives while bytes arrive from the peer, or the peer's kernel acknowledges what was sent."""

    __slots__ = ("_acknowledged", "_transport", "seen_at")

    def __init__(self, transport: asyncio.WriteTransport, now: float) -> None:
        self._transport = transport
        self._acknowledged = 0
        self.seen_at = now

    def heard(self, now: float) -> None:
        """Bytes arrived."""
        self.seen_at = now

    def is_stalled(self, now: float) -> bool:
        """Whether something is outstanding and there was no sign of life for too long. `now` is the loop's time."""
        outstanding = self._transport.get_write_buffer_size()
        info = self._tcp_info()
        if info:
            acknowledged = _ACKNOWLEDGED(info, _AT_BYTES_ACKED)[0]
            outstanding += _UNACKNOWLEDGED(info, _AT_UNACKED)[0] + _UNACKNOWLEDGED(info, _AT_NOTSENT)[0]
            if acknowledged > self._acknowledged:
                self._acknowledged = acknowledged
                self.seen_at = now
        return outstanding > 0 and now - self.seen_at >= STALLED_SECONDS

    def is_cut(self) -> bool:
        """Whether the connection was reset. A loop learns of that when it reads, which it does not while it is told to wait."""
        info = self._tcp_info()
        return bool(info) and info[_AT_STATE] == _TCP_CLOSE

    def _tcp_info(self) -> bytes:
        return _tcp_info(self._transport.get_extra_info("socket"))


def acknowledged_bytes(sock: socket.socket) -> int | None:
    """What the peer's kernel has acknowledged since the connection began; None where the system does not tell."""
    info = _tcp_info(sock)
    return int(_ACKNOWLEDGED(info, _AT_BYTES_ACKED)[0]) if info else None


def _tcp_info(sock: socket.socket | None) -> bytes:
    with contextlib.suppress(OSError, AttributeError):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)  # type: ignore[union-attr]
        return info if len(info) == _TCP_INFO_BYTES else b""
    return b""
