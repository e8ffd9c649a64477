"""The pump: bytes between a viewer's socket and an agent's, forwarded as they are, with back-pressure.

Both sides have finished their websocket handshakes without an extension, so the viewer's masked frames are valid towards the agent and
the agent's unmasked ones towards the viewer. Eve parses no payload. Towards the viewer it follows the frames' headers, so that it
can end the session at a frame's border with a close frame of its own; towards the agent it follows nothing, and ends by cutting.

Memory of one console: :data:`HIGH_WATER_BYTES` in either direction, and beyond it one read of the other side (uvloop: 256 KiB).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from eve_agent.wire.close import CloseCode

from common.sentences import gettext as _
from hypervisors.client import clean_words

from .framing import BadFrame, FrameTracker, close_frame, close_words
from .link import AgentLink
from .pulse import Pulse
from .relay import Ending, Handover

HIGH_WATER_BYTES = LOW_WATER_BYTES = 256 * 1024
"""The same, so that the agent's leg moves as often as the viewer's. To fall to the usual quarter first takes a viewer of 16 KiB/s half a minute, and
with the kernel's own large steps longer than the agent waits for one that stopped."""
UNSENT_BYTES = 128 * 1024
"""As much may wait in the kernel that the viewer has no room for."""
UNREAD_BYTES = 256 * 1024
"""The agent's bytes in the kernel (which counts twice as many) while the viewer takes none. With the kernel's own limits, several MiB each, a slow
viewer's screen lags by minutes, and its legs move so seldom that it looks like one that stopped."""
CLOSE_SECONDS = 2.0
"""How long a viewer may take to answer a close frame."""
TICK_SECONDS = 2.5
SILENT_SECONDS = 42.5
"""The agent pings through the pump every 20 s: one that says nothing for that long is gone."""
LAST_WORDS_SECONDS = 10.0
"""An agent that ends a session cuts the connection two seconds after its close frame; Eve sees it with the next tick, or when it reads on."""
CLOSED_WITHOUT_A_WORD = 1006
"""RFC 6455, 7.1.5."""
_decrypted = memoryview(bytearray(256 * 1024))
"""Of the connection that is being read; nothing waits in it."""


class Pump:
    """One console, spliced. Make it with :func:`splice`; it is a :class:`consoles.relay.Relay`."""

    __slots__ = (
        "_agent",
        "_agent_pulse",
        "_ending",
        "_is_closing",
        "_is_viewer_full",
        "_loop",
        "_on_end",
        "_timer",
        "_tracker",
        "_viewer",
        "_viewer_lost",
        "_viewer_pulse",
        "_was_full_at",
        "bytes_from_viewer",
        "bytes_to_viewer",
    )

    def __init__(self) -> None:
        self.bytes_to_viewer = 0
        self.bytes_from_viewer = 0
        self._loop = asyncio.get_running_loop()
        self._viewer: asyncio.Transport | None = None
        self._agent: asyncio.Transport | None = None
        self._viewer_pulse: Pulse
        self._agent_pulse: Pulse
        self._tracker = FrameTracker()
        self._on_end: Callable[[Ending], None] | None = None
        self._ending: Ending | None = None
        self._viewer_lost: asyncio.Future[None] | None = None
        self._is_closing = False
        self._is_viewer_full = False
        self._was_full_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def connect(self, viewer: asyncio.Transport, agent: asyncio.Transport, first: bytes) -> None:
        """Begins to forward; `first` is what the agent said already."""
        self._viewer, self._agent = viewer, agent
        now = self._loop.time()
        self._viewer_pulse, self._agent_pulse = Pulse(viewer, now), Pulse(agent, now)
        for transport in (viewer, agent):
            transport.set_write_buffer_limits(high=HIGH_WATER_BYTES, low=LOW_WATER_BYTES)
        _keep_queues_short(viewer, agent)
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        viewer.resume_reading()
        agent.resume_reading()
        if first:
            self.from_agent(first)

    def start(self, on_end: Callable[[Ending], None]) -> None:
        """As :class:`consoles.relay.Relay`; it forwards already."""
        self._on_end = on_end
        if self._ending is not None:
            self._loop.call_soon(on_end, self._ending)

    async def close(self, code: int, reason: str) -> None:
        """As :class:`consoles.relay.Relay`."""
        self._is_closing = True
        self._on_end = None
        if self._timer is not None:
            self._timer.cancel()
        if self._agent is not None:
            self._agent.abort()
        viewer = self._viewer
        if viewer is None:  # it is gone
            return
        if not viewer.is_closing():
            viewer.write(self._tracker.padding() + close_frame(code, reason))
            if viewer.can_write_eof():
                viewer.write_eof()  # the viewer waits for the server's end; a full close over bytes that it sends would be a reset
            viewer.resume_reading()
        self._viewer_lost = self._loop.create_future()
        await asyncio.wait([self._viewer_lost], timeout=CLOSE_SECONDS)
        viewer.abort()

    def stop(self) -> None:
        """The server stops."""
        self.finish(Ending(CloseCode.SERVICE_RESTART, _("Eve restarts.")))

    # ------------------------------------------------------------------------------------------ what the sides say

    def from_agent(self, data: bytes) -> None:
        """Bytes of the agent, on to the viewer, up to a close frame."""
        if self._is_closing or self._viewer is None:
            return
        self._agent_pulse.heard(self._loop.time())
        try:
            passed = self._tracker.feed(data)
        except BadFrame as fault:
            self.finish(Ending(CloseCode.INTERNAL_ERROR, _("The host broke the protocol (%s).") % fault))
            return
        if passed:
            self.bytes_to_viewer += len(passed)
            self._viewer.write(passed)
        if self._tracker.close_payload is not None:
            self.finish(_agents_ending(self._tracker.close_payload))

    def from_viewer(self, data: bytes) -> None:
        """Bytes of the viewer, on to the agent."""
        if self._is_closing:
            return  # all there is to wait for is the end of the connection
        self._viewer_pulse.heard(self._loop.time())
        self.bytes_from_viewer += len(data)
        if self._agent is not None:
            self._agent.write(data)

    def viewer_lost(self) -> None:
        """The viewer's connection is gone."""
        self._viewer = None
        if self._viewer_lost is not None and not self._viewer_lost.done():
            self._viewer_lost.set_result(None)
        self.finish(Ending(CLOSED_WITHOUT_A_WORD, viewer_is_gone=True))

    def agent_lost(self) -> None:
        """The agent's connection is gone, and what it may have said last, with it."""
        was_full = self._is_viewer_full or self._loop.time() - self._was_full_at < LAST_WORDS_SECONDS
        self.finish(Ending(CloseCode.HOST_AWAY, _("The connection to the host broke."), is_a_guess=was_full))

    def viewer_is_full(self, is_full: bool) -> None:
        """The viewer takes no more for now, or takes again."""
        self._is_viewer_full = is_full
        if not is_full:
            self._was_full_at = self._loop.time()
        if self._agent is None or self._agent.is_closing():
            return
        if is_full:
            self._agent.pause_reading()
        else:
            self._agent_pulse.heard(self._loop.time())  # its silence was Eve's own choice
            self._agent.resume_reading()

    def agent_is_full(self, is_full: bool) -> None:
        """The agent takes no more for now, or takes again."""
        if self._viewer is None or self._viewer.is_closing():
            return
        if is_full:
            self._viewer.pause_reading()
        else:
            self._viewer_pulse.heard(self._loop.time())
            self._viewer.resume_reading()

    def finish(self, ending: Ending) -> None:
        """The first ending counts, and nothing is forwarded after it."""
        self._is_closing = True
        if self._ending is None:
            self._ending = ending
            if self._on_end is not None:
                self._loop.call_soon(self._on_end, ending)

    # ------------------------------------------------------------------------------------------ inside

    def _tick(self) -> None:
        now = self._loop.time()
        if self._viewer_pulse.is_stalled(now):
            self.finish(Ending(CloseCode.STALLED, _("The viewer takes no more bytes.")))
        elif self._agent_pulse.is_stalled(now):
            self.finish(Ending(CloseCode.STALLED, _("The host takes no more bytes.")))
        elif self._is_viewer_full and self._agent_pulse.is_cut():
            self.agent_lost()
        elif now - self._agent_pulse.seen_at >= SILENT_SECONDS and not self._is_viewer_full:
            self.finish(Ending(CloseCode.HOST_AWAY, _("The host says nothing any more.")))
        else:
            self._timer = self._loop.call_later(TICK_SECONDS, self._tick)


class ViewerSide(asyncio.Protocol):
    """The viewer's connection, once its websocket handshake is done."""

    __slots__ = ("_pump", "data_received", "on_lost")

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self.on_lost: Callable[[], None] | None = None
        """The server is told, which counts the connection."""
        self.data_received = pump.from_viewer  # type: ignore[method-assign] # one call less for every read

    def pause_writing(self) -> None:
        """As asyncio."""
        self._pump.viewer_is_full(True)

    def resume_writing(self) -> None:
        """As asyncio."""
        self._pump.viewer_is_full(False)

    def eof_received(self) -> None:
        """As asyncio: a viewer that shuts its half has left, whether it still reads or not."""
        self._pump.finish(Ending(CLOSED_WITHOUT_A_WORD, viewer_is_gone=True))

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio."""
        self._pump.viewer_lost()
        if self.on_lost is not None:
            self.on_lost()


class AgentSide(asyncio.BufferedProtocol):
    """The agent's connection, once its websocket handshake is done. What TLS decrypts goes through one buffer for all consoles."""

    __slots__ = ("_pump",)

    def __init__(self, pump: Pump) -> None:
        self._pump = pump

    def get_buffer(self, sizehint: int) -> memoryview:
        """As asyncio."""
        return _decrypted

    def buffer_updated(self, nbytes: int) -> None:
        """As asyncio."""
        self._pump.from_agent(_decrypted[:nbytes].tobytes())

    def pause_writing(self) -> None:
        """As asyncio."""
        self._pump.agent_is_full(True)

    def resume_writing(self) -> None:
        """As asyncio."""
        self._pump.agent_is_full(False)

    def connection_lost(self, _exc: Exception | None) -> None:
        """As asyncio. uvloop's TLS holds this for good: what this held would stay, with 192 KiB of its own, until the collector comes."""
        self._pump.agent_lost()
        del self._pump


def splice(handover: Handover, link: AgentLink) -> Pump:
    """Takes both sockets out of their protocols' hands and lets the bytes flow.

    Raises:
        LinkLost: the agent ended its side meanwhile.
        ViewerLeft: there is nobody to show anything to.
        ViewerSpokeEarly: what it said would reach the agent before the agent said anything.
    """
    pump = Pump()
    agent, first = link.take(AgentSide(pump))  # first, while a refusal can still be told to the viewer
    side = ViewerSide(pump)
    viewer, side.on_lost = handover.take(side, pump.stop)
    pump.connect(viewer, agent, first)
    return pump


def _keep_queues_short(viewer: asyncio.Transport, agent: asyncio.Transport) -> None:
    with contextlib.suppress(OSError, AttributeError):
        viewer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        agent.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)


def _agents_ending(payload: bytes) -> Ending:
    code, said = close_words(payload)
    return Ending(code if 1000 <= code < 5000 else CloseCode.INTERNAL_ERROR, said=clean_words(said))
