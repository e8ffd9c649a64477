"""Open console sessions: what each may do, how long it may last, and how it ends."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable

from eve_agent.driver.base import Driver
from eve_agent.errors import ConsoleNotFound, SessionExists
from eve_agent.wire.close import CloseCode
from eve_agent.wire.console import ConsoleKind, ConsoleMode, ConsoleRequest, ConsoleStatus

from .line import LineFilter
from .liveness import Pace
from .rfb import CannotDemote, RfbFilter

Clock = Callable[[], float]
"""Seconds of a monotonic clock."""
VIEWER_LOST = "viewer_lost"
"""Reason of a session whose connection broke off without a close."""
REMEMBERED_SECONDS = 60.0
"""How long the agent tells why it ended a session."""
REMEMBERED_SESSIONS = 512


class ConsoleSession:
    """One viewer at one display. The relay feeds it and ends with it; a request changes or ends it from outside."""

    __slots__ = (
        "_clock",
        "_end_relay",
        "_ended_early",
        "_idle_seconds",
        "_input_at",
        "_inputs",
        "_started_at",
        "_total_seconds",
        "bytes_from_viewer",
        "bytes_to_viewer",
        "closed",
        "domain_uuid",
        "ended",
        "filter",
        "kind",
        "opened_at",
        "session",
    )

    def __init__(self, domain_uuid: uuid.UUID, request: ConsoleRequest, clock: Clock) -> None:
        self.session = request.session
        self.domain_uuid = domain_uuid
        self.kind = request.kind
        self.filter = LineFilter(request.mode) if request.kind is ConsoleKind.SERIAL else RfbFilter(request.mode)
        self.opened_at = dt.datetime.now(dt.UTC)
        self.bytes_to_viewer = 0
        self.bytes_from_viewer = 0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once both connections of the session are gone."""
        self.ended: CloseCode | None = None
        """Why the agent ended it: set by its relay."""
        self._clock = clock
        self._idle_seconds = request.idle_seconds
        self._total_seconds = request.total_seconds
        self._started_at = self._input_at = clock()
        self._inputs = 0
        self._end_relay: Callable[[CloseCode], None] | None = None
        self._ended_early: CloseCode | None = None

    def filter_input(self, data: bytes) -> bytes:
        """What of the viewer's bytes may go to the display. Raises :class:`~eve_agent.service.rfb.BadMessage`."""
        self.bytes_from_viewer += len(data)
        passed = self.filter.feed(data)
        if self.filter.inputs != self._inputs:
            self._inputs = self.filter.inputs
            self._input_at = self._clock()
        return passed

    def limit_reached(self) -> CloseCode | None:
        """The limit that has passed by now, if any."""
        now = self._clock()
        if self._total_seconds and now - self._started_at >= self._total_seconds:
            return CloseCode.TOTAL_LIMIT
        if self._idle_seconds and now - self._input_at >= self._idle_seconds:
            return CloseCode.IDLE_LIMIT
        return None

    def attach(self, end_relay: Callable[[CloseCode], None]) -> None:
        """Names the function that ends the relay; called at once if the session was ended before it had one."""
        self._end_relay = end_relay
        if self._ended_early is not None:
            end_relay(self._ended_early)

    def end(self, code: CloseCode) -> None:
        """Ends the session: the viewer is told `code`, the display is closed. A second call does nothing."""
        if self._end_relay is None:
            self._ended_early = self._ended_early or code
        else:
            self._end_relay(code)

    def status(self) -> ConsoleStatus:
        """As Eve wants to know it."""
        return ConsoleStatus(
            session=self.session,
            domain=self.domain_uuid,
            mode=self.filter.mode,
            kind=self.kind,
            opened_at=self.opened_at,
            bytes_to_viewer=self.bytes_to_viewer,
            bytes_from_viewer=self.bytes_from_viewer,
            idle_seconds=round(self._clock() - self._input_at, 3),
            ended=self.ended,
        )


class Consoles:
    """All console sessions of this agent."""

    def __init__(self, driver: Driver, *, pace: Pace | None = None, clock: Clock = time.monotonic) -> None:
        self.pace = pace or Pace()
        self.clock = clock
        self.ends: Counter[str] = Counter()
        """How many sessions ended, by reason."""
        self._driver = driver
        self._sessions: dict[uuid.UUID, ConsoleSession] = {}
        self._remembered: dict[uuid.UUID, tuple[float, ConsoleStatus]] = {}
        """The last status of those that the agent ended, the oldest first."""
        self._past_bytes_to_viewer = 0
        self._past_bytes_from_viewer = 0

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def bytes_to_viewers(self) -> int:
        """Since the agent started, of open and past sessions."""
        return self._past_bytes_to_viewer + sum(session.bytes_to_viewer for session in self._sessions.values())

    @property
    def bytes_from_viewers(self) -> int:
        """As :attr:`bytes_to_viewers`."""
        return self._past_bytes_from_viewer + sum(session.bytes_from_viewer for session in self._sessions.values())

    async def open(self, domain_uuid: uuid.UUID, request: ConsoleRequest) -> tuple[ConsoleSession, socket.socket]:
        """A session and its display's socket; the caller owns both and calls :meth:`closed` for the session.

        Raises:
            SessionExists: its id is in use.
            ConsoleBusy: somebody else holds the serial line, and it is not to be taken from them.
            AgentError: the driver's refusal.
        """
        if request.session in self._sessions:
            raise SessionExists(f"the console session {request.session} is open already; ask for another")
        session = ConsoleSession(domain_uuid, request, self.clock)
        self._sessions[request.session] = session
        try:
            if request.force:
                await self._take_line(session)
            display = await self._driver.open_console(domain_uuid, request.kind, is_forced=request.force)
        except BaseException:
            del self._sessions[request.session]
            raise
        return session, display

    def closed(self, session: ConsoleSession, reason: str) -> None:
        """Forgets a session; `reason` is a close code's name in lower case, or :data:`VIEWER_LOST`."""
        if self._sessions.pop(session.session, None) is None:
            return
        self.ends[reason] += 1
        self._past_bytes_to_viewer += session.bytes_to_viewer
        self._past_bytes_from_viewer += session.bytes_from_viewer
        if session.ended is not None:
            self._remember(session.status())
        session.closed.set_result(None)

    def status(self, domain_uuid: uuid.UUID, session_id: uuid.UUID) -> ConsoleStatus:
        """Of an open session, or the last one of a session that the agent ended just now. Raises ConsoleNotFound."""
        self._forget_old()
        _at, last = self._remembered.get(session_id, (0.0, None))
        if last is not None and last.domain == domain_uuid and session_id not in self._sessions:
            return last
        return self._get(domain_uuid, session_id).status()

    def change_mode(self, domain_uuid: uuid.UUID, session_id: uuid.UUID, mode: ConsoleMode) -> ConsoleStatus:
        """Lets the viewer take part, or only look, from its next message on.

        Raises:
            ConsoleNotFound: there is none; or it could not be made view-only safely and was ended instead.
        """
        session = self._get(domain_uuid, session_id)
        try:
            session.filter.set_mode(mode)
        except CannotDemote:
            session.end(CloseCode.BAD_MESSAGE)
            raise ConsoleNotFound(
                f"the console session {session_id} speaks a dialect that cannot be made view-only; it was ended"
            ) from None
        return session.status()

    def end(self, domain_uuid: uuid.UUID, session_id: uuid.UUID, code: CloseCode) -> ConsoleStatus:
        """Ends a session; the answer is its last status. Raises ConsoleNotFound."""
        session = self._get(domain_uuid, session_id)
        session.end(code)
        return session.status()

    async def end_all(self, code: CloseCode) -> None:
        """Ends every session and waits until all are closed, little longer than a close may take."""
        await self._wait_closed(self._end_each(code))

    async def _take_line(self, taker: ConsoleSession) -> None:
        """Tells who holds the serial line here that it was taken from them; others lose it without a word."""
        holders = [
            session
            for session in self._sessions.values()
            if session is not taker and session.kind is taker.kind and session.domain_uuid == taker.domain_uuid
        ]
        for session in holders:
            session.end(CloseCode.LINE_TAKEN)
        await self._wait_closed(holders)

    def _end_each(self, code: CloseCode) -> list[ConsoleSession]:
        sessions = list(self._sessions.values())
        for session in sessions:
            session.end(code)
        return sessions

    async def _wait_closed(self, sessions: Iterable[ConsoleSession]) -> None:
        waits = [session.closed for session in sessions]
        if waits:
            await asyncio.wait(waits, timeout=self.pace.closing_seconds + 0.5)

    def _remember(self, last: ConsoleStatus) -> None:
        self._remembered.pop(last.session, None)  # an id that is used again goes to the end
        self._remembered[last.session] = (self.clock(), last)
        self._forget_old()

    def _forget_old(self) -> None:
        too_old = self.clock() - REMEMBERED_SECONDS
        while self._remembered:
            session_id, (at, _last) = next(iter(self._remembered.items()))
            if at > too_old and len(self._remembered) <= REMEMBERED_SESSIONS:
                return
            del self._remembered[session_id]

    def _get(self, domain_uuid: uuid.UUID, session_id: uuid.UUID) -> ConsoleSession:
        session = self._sessions.get(session_id)
        if session is None or session.domain_uuid != domain_uuid:
            raise ConsoleNotFound(f"no console session {session_id} is open at this domain")
        return session
