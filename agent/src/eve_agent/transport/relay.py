"""The pump between a viewer's websocket and a display's socket.

:class:`Relay` is the core: bytes in, bytes out, back-pressure, liveness, limits, the one way to end. Two thin
protocols connect it to asyncio transports.

Back-pressure: while the viewer does not take what it was sent, the display is not read, and while the display does not
take what it was sent, the viewer is not read. Memory of one console: what waits for the viewer
(:data:`VIEWER_HIGH_BYTES`) and for the display (:data:`DISPLAY_HIGH_BYTES`), and beyond each mark one read of the
other side (uvloop: 256 KiB): below 1 MiB in all. In the kernel: :data:`UNSENT_BYTES` towards the viewer, beside what is on its way.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from eve_agent.service.consoles import VIEWER_LOST, ConsoleSession
from eve_agent.service.liveness import DisplayPulse, Pace, Verdict, ViewerPulse
from eve_agent.service.rfb import BadMessage
from eve_agent.wire.close import CloseCode

from .websocket import FrameError, FrameReader, Opcode, close_code, close_frame, frame

VIEWER_HIGH_BYTES = 256 * 1024
DISPLAY_HIGH_BYTES = 64 * 1024
UNSENT_BYTES = 128 * 1024
"""As much may wait in the kernel that the viewer's side has no room for. Its default, some MiB, is a screen that lags by minutes on a slow
line, and moves so seldom that a slow viewer looks like one that stopped."""
_decrypted = memoryview(bytearray(64 * 1024))
"""Of the connection that is being read; nothing waits in it."""
_TCP_INFO_BYTES_ACKED = slice(120, 128)
"""Where ``struct tcp_info`` of <linux/tcp.h> has tcpi_bytes_acked (Linux 4.1)."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a console ended."""

    reason: str
    """A close code's name in lower case, or :data:`~eve_agent.service.consoles.VIEWER_LOST`."""
    detail: str = ""


class Relay:
    """One console. Connect both sides, and call :meth:`start`."""

    __slots__ = (
        "_display",
        "_display_pulse",
        "_ending",
        "_frames",
        "_greeting",
        "_is_deaf",
        "_is_display_full",
        "_is_viewer_full",
        "_loop",
        "_on_end",
        "_pace",
        "_pong",
        "_session",
        "_timer",
        "_turn",
        "_viewer",
        "_viewer_pulse",
    )

    def __init__(self, session: ConsoleSession, pace: Pace, on_end: Callable[[Ending], None]) -> None:
        """`on_end` is told, once, how it ended, when neither side is connected any more."""
        self._session = session
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._viewer_pulse = ViewerPulse(pace, now)
        self._display_pulse = DisplayPulse(pace, now)
        self._frames = FrameReader()
        self._viewer: asyncio.Transport | None = None
        self._display: asyncio.Transport | None = None
        self._is_viewer_full = False
        self._is_display_full = False
        self._is_deaf = False
        self._pong = b""
        self._greeting = b""
        self._timer: asyncio.TimerHandle | None = None
        self._turn: asyncio.Handle | None = None
        """Goes on with what the viewer sent at once in very many frames."""
        self._ending: Ending | None = None
        self._on_end: Callable[[Ending], None] | None = on_end

    def connect_display(self, transport: asyncio.Transport) -> None:
        """The display's side is there; what it says before :meth:`start` is kept, one read at most."""
        transport.pause_reading()
        transport.set_write_buffer_limits(high=DISPLAY_HIGH_BYTES)
        self._display = transport

    def start(self, viewer: asyncio.Transport, early: bytes) -> None:
        """The viewer's side is there too; `early` is what it sent already."""
        self._viewer = viewer
        viewer.set_write_buffer_limits(high=VIEWER_HIGH_BYTES)
        _keep_queue_short(viewer)
        self._timer = self._loop.call_later(self._pace.tick_seconds, self._tick)
        self._session.attach(self.end)
        if self._greeting:
            self.from_display(self._greeting)
            self._greeting = b""
        if self._display is None:
            self.end(CloseCode.DISPLAY_LOST)
        elif self._ending is None:
            self._display.resume_reading()
            if early:
                self.from_viewer(early)

    def from_display(self, data: bytes) -> None:
        """Bytes of the display, on to the viewer."""
        if self._ending is not None:
            return
        if self._viewer is None:
            # uvloop starts to read after connection_made, whatever was paused there; an RFB server speaks first.
            self._greeting += data
            if self._display is not None:
                self._display.pause_reading()
            return
        self._session.bytes_to_viewer += len(data)
        self._viewer.write(frame(Opcode.BINARY, data))

    def from_viewer(self, data: bytes) -> None:
        """Bytes of the viewer's websocket: what may pass goes on to the display."""
        if self._is_deaf:
            return
        self._viewer_pulse.received(self._loop.time())
        self._take(data)

    def end(self, code: CloseCode, detail: str = "") -> None:
        """Tells the viewer `code` and lets go of the display. Only the first call counts."""
        if self._ending is not None:
            return
        self._ending = Ending(code.name.lower(), detail)
        self._session.ended = code
        self._close_display()
        if self._viewer is None or self._viewer.is_closing():
            self.viewer_lost()
            return
        self._viewer.write(close_frame(code, detail))
        self._viewer.resume_reading()
        self._set_timer(self._pace.closing_seconds, self._abort_viewer)

    def abort(self) -> None:
        """Cuts both sides at once."""
        self._ending = self._ending or Ending(CloseCode.INTERNAL_ERROR.name.lower())
        self._close_display()
        if self._viewer is None:
            self.viewer_lost()
        self._abort_viewer()

    def viewer_lost(self) -> None:
        """The viewer's connection is gone, for whatever reason: the console is over."""
        self._ending = self._ending or Ending(VIEWER_LOST)
        self._close_display()
        if self._timer is not None:
            self._timer.cancel()
        self._viewer = None
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self._ending)

    def display_lost(self) -> None:
        """The display closed."""
        self._display = None
        if self._viewer is not None:
            self.end(CloseCode.DISPLAY_LOST)

    def viewer_is_full(self, is_full: bool) -> None:
        """The viewer takes no more, or takes again."""
        self._is_viewer_full = is_full
        if self._display is not None and not self._display.is_closing():
            if is_full:
                self._display.pause_reading()
            else:
                self._display.resume_reading()
        if not is_full and self._pong and self._viewer is not None and self._ending is None:
            self._viewer.write(self._pong)
            self._pong = b""

    def display_is_full(self, is_full: bool) -> None:
        """The display takes no more, or takes again."""
        self._is_display_full = is_full
        if self._viewer is None or self._ending is not None:
            return
        if not is_full:
            self._viewer_pulse.received(self._loop.time())
        self._listen()

    def _take(self, data: bytes) -> None:
        ping: bytes | None = None
        try:
            for opcode, payload in self._frames.feed(data):
                if opcode is Opcode.CLOSE:
                    self._viewer_closes(payload)
                    return
                if self._ending is not None:
                    continue
                if opcode is Opcode.PING:
                    ping = payload
                elif opcode is Opcode.BINARY and self._display is not None:
                    passed = self._session.filter_input(payload)
                    if passed:
                        self._display.write(passed)
        except FrameError as error:
            # What follows cannot be told apart any more. It is still taken, unread: closing over unread bytes would
            # reset the connection, and the close frame with it.
            self._is_deaf = True
            self.end(error.code, str(error))
        except BadMessage as error:
            self.end(CloseCode.BAD_MESSAGE, str(error))
        if ping is not None and self._ending is None:
            self._answer_ping(ping)
        if self._frames.is_behind and self._turn is None:
            self._turn = self._loop.call_soon(self._take_on)
            self._listen()

    def _take_on(self) -> None:
        """The next frames of what was read, now that all others had their turn."""
        self._turn = None
        if self._viewer is not None and not self._is_deaf:
            self._take(b"")
        self._listen()

    def _listen(self) -> None:
        """Reads from the viewer, but for a display that takes nothing, or while there is more than a turn of what was read already."""
        if self._viewer is None:
            return
        if self._turn is not None or (self._is_display_full and self._ending is None):
            self._viewer.pause_reading()
        else:
            self._viewer.resume_reading()

    def _viewer_closes(self, payload: bytes) -> None:
        """RFC 6455, 5.5.1: answered with the same code, then the connection ends."""
        assert self._viewer is not None
        if self._ending is None:
            code = close_code(payload)
            self._ending = Ending(CloseCode.NORMAL.name.lower(), f"the viewer closed with {code}" if code else "")
            self._viewer.write(close_frame(code or CloseCode.NORMAL))
            self._close_display()
            self._set_timer(self._pace.closing_seconds, self._abort_viewer)
        self._viewer.close()

    def _answer_ping(self, payload: bytes) -> None:
        """Only the newest ping of a read is answered, and of many reads while the viewer takes nothing (RFC 6455, 5.5.3)."""
        assert self._viewer is not None
        pong = frame(Opcode.PONG, payload)
        if self._is_viewer_full:
            self._pong = pong
        else:
            self._viewer.write(pong)

    def _tick(self) -> None:
        if self._ending is not None or self._viewer is None:
            return
        limit = self._session.limit_reached()
        if limit is not None:
            self.end(limit)
            return
        now = self._loop.time()
        verdict = self._viewer_pulse.check(
            now,
            acknowledged_bytes=_acknowledged_bytes(self._viewer),
            waiting_bytes=self._viewer.get_write_buffer_size(),
            is_listening=not self._is_display_full,
        )
        waiting = self._display.get_write_buffer_size() if self._display is not None else 0
        if verdict is Verdict.STALLED:
            self.end(CloseCode.STALLED, "the viewer takes nothing and answers nothing")
        elif self._display_pulse.check(now, waiting_bytes=waiting) is Verdict.STALLED:
            self.end(CloseCode.STALLED, "the display takes nothing")
        else:
            if verdict is Verdict.PING:
                self._viewer.write(frame(Opcode.PING, b""))
            self._timer = self._loop.call_later(self._pace.tick_seconds, self._tick)

    def _set_timer(self, seconds: float, call: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, call)

    def _close_display(self) -> None:
        if self._display is not None:
            self._display.abort()
            self._display = None

    def _abort_viewer(self) -> None:
        if self._viewer is not None:
            if self._viewer.get_write_buffer_size():
                _reset_when_closed(self._viewer)
            self._viewer.abort()


class ViewerSide(asyncio.BufferedProtocol):
    """The viewer's connection, taken over from HTTP after the 101; nothing parses HTTP on it again.

    What TLS decrypts goes through one buffer for all consoles.
    """

    __slots__ = ("_relay",)

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def get_buffer(self, sizehint: int) -> memoryview:
        """As asyncio."""
        return _decrypted

    def buffer_updated(self, nbytes: int) -> None:
        """As asyncio."""
        self._relay.from_viewer(_decrypted[:nbytes].tobytes())

    def pause_writing(self) -> None:
        """As asyncio."""
        self._relay.viewer_is_full(True)

    def resume_writing(self) -> None:
        """As asyncio."""
        self._relay.viewer_is_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio."""
        self._relay.viewer_lost()


class DisplaySide(asyncio.Protocol):
    """The display's socket."""

    __slots__ = ("_relay",)

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio."""
        self._relay.connect_display(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        """As asyncio."""
        self._relay.from_display(data)

    def pause_writing(self) -> None:
        """As asyncio."""
        self._relay.display_is_full(True)

    def resume_writing(self) -> None:
        """As asyncio."""
        self._relay.display_is_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio."""
        self._relay.display_lost()


def _keep_queue_short(transport: asyncio.BaseTransport) -> None:
    with suppress(OSError, AttributeError):
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def _reset_when_closed(transport: asyncio.BaseTransport) -> None:
    """What the peer has no room for is thrown away, and it learns at once that the connection is gone: an end of stream would come last."""
    with suppress(OSError, AttributeError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _acknowledged_bytes(transport: asyncio.BaseTransport) -> int:
    """What the peer's kernel has acknowledged since the connection began; 0 where the system does not tell."""
    with suppress(OSError, AttributeError):
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        return int.from_bytes(info[_TCP_INFO_BYTES_ACKED], sys.byteorder)
    return 0
