"""The relay message by message, under a server that does not hand its socket over (daphne, Channels' test communicator).

Such a server takes whatever it is given and does not say how much of it waits. :class:`consoles.backlog.Backlog` tells; where it cannot,
what a viewer takes shows in what it says: RFB is a dialogue, in which a viewer asks for the next update once it has the last, or
acknowledges what is pushed. The agent waits while :data:`PAUSE_BYTES` are held for a viewer; one that has not made room within
:data:`PAUSE_SECONDS`, or for whom more than :data:`MAX_HELD_BYTES` would be held, does not keep up and is ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from eve_agent.wire.close import CloseCode

from common.sentences import gettext as _

from .backlog import Backlog
from .errors import LinkLost
from .link import AgentLink
from .relay import Ending

log = structlog.get_logger(__name__)

MAX_HELD_BYTES = 7 * 1024 * 1024
PAUSE_BYTES = 4 * 1024 * 1024
PAUSE_SECONDS = 10.0
LOOK_SECONDS = 0.05
STALLED_SECONDS = 45.0
"""A peer that takes nothing for that long is treated as gone."""
CLOSE_SECONDS = 2.0
"""A viewer that does not even take the close frame is left to the server."""


class FrameRelay:
    """A :class:`consoles.relay.Relay` between the consumer and the link's messages."""

    def __init__(
        self,
        link: AgentLink,
        *,
        send_bytes: Callable[[bytes], Awaitable[None]],
        close_viewer: Callable[[int, str], Awaitable[None]],
        backlog: Backlog,
    ) -> None:
        self.bytes_to_viewer = 0
        self.bytes_from_viewer = 0
        self._link = link
        self._send_bytes = send_bytes
        self._close_viewer = close_viewer
        self._backlog = backlog
        self._is_viewer_gone = False
        self._running: asyncio.Task[None] | None = None
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def start(self, on_end: Callable[[Ending], None]) -> None:
        """As :class:`consoles.relay.Relay`."""
        self._running = asyncio.create_task(self._run(on_end), name="console frames")

    async def _run(self, on_end: Callable[[Ending], None]) -> None:
        try:
            ending = await self._ended()
        except Exception:
            log.exception("console failed")
            ending = Ending(CloseCode.INTERNAL_ERROR, _("Something in Eve failed; its log says what."))
        on_end(ending)

    async def _ended(self) -> Ending:
        self._link.start()
        pumping = asyncio.create_task(self._pump_to_viewer())
        try:
            await asyncio.wait({pumping, self._ending}, return_when=asyncio.FIRST_COMPLETED)
            return self._ending.result() if self._ending.done() else pumping.result()
        finally:
            pumping.cancel()

    async def from_viewer(self, data: bytes) -> None:
        """Hands the viewer's bytes to the agent, and waits while it takes none."""
        self.bytes_from_viewer += len(data)
        self._backlog.heard()
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                await self._link.send(data)
        except LinkLost as loss:
            self.finish(Ending(loss.close_code, loss.reason, loss.said))
        except TimeoutError:
            self.finish(Ending(CloseCode.STALLED, _("The host takes no more bytes.")))

    def finish(self, ending: Ending) -> None:
        """The first ending counts."""
        self._is_viewer_gone = self._is_viewer_gone or ending.viewer_is_gone
        if not self._ending.done():
            self._ending.set_result(ending)

    async def close(self, code: int, reason: str) -> None:
        """As :class:`consoles.relay.Relay`."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
        closing: list[Awaitable[None]] = [self._link.close(CloseCode.NORMAL if self._is_viewer_gone else code)]
        if not self._is_viewer_gone:
            closing.append(asyncio.wait_for(self._close_viewer(code, reason), CLOSE_SECONDS))
        await asyncio.gather(*closing, return_exceptions=True)

    async def _has_room(self, size: int) -> bool:
        """Whether so many bytes more may be held; waits a while for the viewer to take what is."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PAUSE_SECONDS
        while self._backlog.is_known and len(self._backlog) > PAUSE_BYTES:
            if loop.time() > until:
                return False
            await asyncio.sleep(LOOK_SECONDS)
            self._backlog.look()
        return len(self._backlog) + size <= MAX_HELD_BYTES

    async def _pump_to_viewer(self) -> Ending:
        try:
            while True:
                data = await self._link.receive()
                if not await self._has_room(len(data)):
                    return Ending(CloseCode.TOO_SLOW, _("The viewer does not keep up with its screen."))
                self._backlog.sent(len(data))
                self.bytes_to_viewer += len(data)
                async with asyncio.timeout(STALLED_SECONDS):
                    await self._send_bytes(data)
        except LinkLost as loss:
            return Ending(loss.close_code, loss.reason, loss.said)
        except TimeoutError:
            return Ending(CloseCode.STALLED, _("The viewer takes no more bytes."))
        except OSError:  # the server says so when the viewer is gone; its disconnect message follows
            return await asyncio.shield(self._ending)
