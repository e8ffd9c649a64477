"""One live console: its relay, and everything that may end it.

A session ends exactly once, for one reason, and :meth:`LiveConsole.end` is the only way: the viewer left, the agent closed,
access was revoked, the viewer was too slow, or Eve stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseFault  # InterfaceError, of a connection that died, is no DatabaseError
from django.utils import timezone
from eve_agent.wire.close import CloseCode

from common.sentences import gettext as _
from common.threads import in_database_thread

from . import metrics, notices
from .leftovers import last_word
from .models import ConsoleSession
from .relay import Ending, Relay
from .selectors import reason_to_end
from .services import Grant, session_end, session_meter
from .switchboard import Position, switchboard

log = structlog.get_logger(__name__)

LEAST_PAUSE_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 5.0
"""While the database is away."""
_ends: set[asyncio.Task[None]] = set()
"""Sessions that are being ended. Where both sockets were handed over, no server waits for them: :func:`finish_when_stopped` does."""


class LiveConsole:
    """Lets a relay run, and ends it when it must.

    While nothing happens to it, it is this object and a timer: it has a task only while it looks at the database, and while it ends.
    """

    __slots__ = (
        "_checking",
        "_counted",
        "_end",
        "_ends_at",
        "_known_at",
        "_last",
        "_looks_again",
        "_moved_before",
        "_relay",
        "_request_id",
        "_session_key",
        "_since",
        "_timer",
        "_topics",
        "_vm_id",
        "id",
    )

    def __init__(
        self, *, grant: Grant, session: ConsoleSession, relay: Relay, session_key: str, since: Position
    ) -> None:
        """`since` is from before the grant was looked up: what was announced from then on is heard."""
        self.id: uuid.UUID = session.id
        self._vm_id: uuid.UUID = grant.vm.pk
        self._request_id = session.request_id
        self._relay = relay
        self._session_key = session_key
        self._moved_before = (session.bytes_to_viewer, session.bytes_from_viewer)
        self._counted = (0, 0)
        self._topics = notices.topics_of(grant, session.id)
        self._since = since
        self._ends_at = grant.ends_at
        self._known_at = asyncio.get_running_loop().time()
        self._last = self._known_at + (settings.CONSOLE_TOTAL_SECONDS or float("inf"))
        self._timer: asyncio.TimerHandle | None = None
        self._checking: asyncio.Task[None] | None = None
        self._looks_again = False
        self._end: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts to forward, to hear of revocations and to re-check."""
        metrics.OPEN.inc()
        self._look_within(settings.CONSOLE_RECHECK_SECONDS)
        switchboard().join(self, self._topics, since=self._since)
        self._relay.start(self._relay_ended)

    def notice(self, notice: Mapping[str, Any]) -> None:
        """As :class:`consoles.switchboard.Listener`."""
        if notice["what"] == notices.END:
            self._begin_end(notice["code"], notice["reason"])
        else:
            self._look()

    async def end(self, code: int, reason: str = "") -> None:
        """Ends the session, once: whoever comes second waits until it has ended."""
        await asyncio.shield(self._begin_end(code, reason))

    # ------------------------------------------------------------------------------------------ its end

    def _relay_ended(self, ending: Ending) -> None:
        if ending.said:
            log.info("console_ended_by_host", session=str(self.id), code=ending.code, said=ending.said)
        if ending.is_a_guess:
            self._begin_end(ending.code, ending.reason, ask=True)
        else:
            self._begin_end(ending.code, ending.reason)

    def _begin_end(self, code: int, reason: str = "", *, ask: bool = False) -> asyncio.Task[None]:
        if self._end is None:
            self._end = asyncio.get_running_loop().create_task(self._ended(code, reason, ask), name=f"end of {self.id}")
            _ends.add(self._end)
            self._end.add_done_callback(_ends.discard)
        return self._end

    async def _ended(self, code: int, reason: str, ask: bool) -> None:
        """
        Args:
            code: why.
            reason: in words, for the viewer and the record.
            ask: the agent may know better.
        """
        switchboard().leave(self, self._topics)
        if self._timer is not None:
            self._timer.cancel()
        if self._checking is not None:
            self._checking.cancel()
        if ask:
            code, reason = await self._agents_words(code, reason)
        metrics.OPEN.dec()
        metrics.ENDS.labels(metrics.end_name(code)).inc()
        try:
            await self._relay.close(_sendable(code), reason)
        except Exception:
            log.exception("a console's connections could not be closed", session=str(self.id))
        await self._record_end(code, reason)

    async def _agents_words(self, code: int, reason: str) -> tuple[int, str]:
        with contextlib.suppress(DatabaseFault):
            known = await in_database_thread(last_word)(self._vm_id, self.id)
            if known is not None:
                return known, ""
        return code, reason

    # ------------------------------------------------------------------------------------------ whether it may go on

    def _look_within(self, seconds: float) -> None:
        if self._end is not None:
            return
        if self._ends_at is not None:
            seconds = min(seconds, max((self._ends_at - timezone.now()).total_seconds(), LEAST_PAUSE_SECONDS))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Looks whether it may go on: when told to, and every 30 s."""
        if self._checking is not None:
            self._looks_again = True
        elif self._end is None:
            self._checking = asyncio.get_running_loop().create_task(self._check(), name=f"check of {self.id}")

    async def _check(self) -> None:
        """A session that could not be re-authorised for twice as long as it pauses ends."""
        pause: float = settings.CONSOLE_RECHECK_SECONDS
        now = asyncio.get_running_loop().time()
        try:
            if now > self._last:  # the agent counts too, but a host is not trusted to
                self._begin_end(CloseCode.TOTAL_LIMIT)
                return
            code = await in_database_thread(self._meter_and_look)(*self._moved())
            self._known_at = now
            if code is not None:
                self._begin_end(code)
        except DatabaseFault as error:
            log.warning("no database; the console looks again soon", session=str(self.id), error=str(error))
            if now - self._known_at >= 2 * pause:
                self._begin_end(CloseCode.SERVICE_RESTART, _("Eve's database is away."))
            pause = min(LOOK_AGAIN_SECONDS, pause)
        except Exception:
            log.exception("console failed", session=str(self.id))
            self._begin_end(CloseCode.INTERNAL_ERROR, _("Something in Eve failed; its log says what."))
        finally:
            self._checking = None
            self._look_within(0 if self._looks_again else pause)
            self._looks_again = False

    def _meter_and_look(self, to_viewer: int, from_viewer: int) -> CloseCode | None:
        """In a thread."""
        session_meter(
            session_id=self.id,
            request_id=self._request_id,
            bytes_to_viewer=to_viewer,
            bytes_from_viewer=from_viewer,
        )
        return reason_to_end(self.id, request_id=self._request_id, session_key=self._session_key)

    async def _record_end(self, code: int, reason: str) -> None:
        try:
            await in_database_thread(session_end)(
                session_id=self.id, code=code, reason=reason, request_id=self._request_id, moved=self._moved()
            )
        except DatabaseFault:
            log.exception("a console's end could not be written; the sweeper will", session=str(self.id))

    def _moved(self) -> tuple[int, int]:
        """Bytes to and from the viewer in all, over this connection and those that it resumes."""
        to_viewer, from_viewer = self._relay.bytes_to_viewer, self._relay.bytes_from_viewer
        metrics.BYTES.labels("to_viewer").inc(to_viewer - self._counted[0])
        metrics.BYTES.labels("from_viewer").inc(from_viewer - self._counted[1])
        self._counted = (to_viewer, from_viewer)
        return self._moved_before[0] + to_viewer, self._moved_before[1] + from_viewer


async def finish_when_stopped(stop: asyncio.Event) -> None:
    """Waits at `stop` until the sessions that the server ended are written down."""
    await stop.wait()
    if _ends:
        await asyncio.wait(_ends)


def _sendable(code: int) -> int:
    """`code`, or a fault where RFC 6455 (7.4) forbids to send it."""
    return (
        code
        if 4000 <= code < 5000 or code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013)
        else CloseCode.INTERNAL_ERROR
    )
