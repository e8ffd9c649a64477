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
_AT_UNACKED, _AT_BYTES_ACKED, _AT_NOTSENT = 24, 120, 144
"""Where ``struct tcp_info`` of <linux/tcp.h> has tcpi_unacked, tcpi_bytes_acked and tcpi_notsent_bytes (Linux 4.6)."""


class Pulse:
    """One leg of a console. It lives while bytes arrive from the peer, or the peer's kernel acknowledges what was sent."""

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

    def _tcp_info(self) -> bytes:
        with contextlib.suppress(OSError, AttributeError):
            info: bytes = self._transport.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES
            )
            return info if len(info) == _TCP_INFO_BYTES else b""
        return b""
