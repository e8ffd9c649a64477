"""One live console: its relay, and everything that may end it.

A session ends exactly once, for one reason, and :meth:`LiveConsole.end` is the only way: the viewer left, the agent closed,
access was revoked, the viewer was too slow, or Eve stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseFault  # InterfaceError, of a connection that died, is no DatabaseError
from django.utils import timezone
from django.utils.translation import gettext as _
from eve_agent.wire.close import CloseCode

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


class LiveConsole:
    """Lets a relay run, and ends it when it must."""

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
        self._ended = False
        self._over = asyncio.Event()
        self._topics = notices.topics_of(grant, session.id)
        self._since = since
        self._ends_at = grant.ends_at
        self._look = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts to forward, to hear of revocations and to re-check."""
        metrics.OPEN.inc()
        switchboard().join(self, self._topics, since=self._since)
        for work in (self._forward, self._watch):
            self._begin(work)

    def notice(self, notice: Mapping[str, Any]) -> None:
        """As :class:`consoles.switchboard.Listener`."""
        if notice["what"] == notices.END:
            self._begin(partial(self.end, notice["code"], notice["reason"]))
        else:
            self._look.set()

    async def end(self, code: int, reason: str = "") -> None:
        """Ends the session, once: whoever comes second waits until it has ended."""
        if self._ended:
            await self._over.wait()
            return
        self._ended = True
        switchboard().leave(self, self._topics)
        metrics.OPEN.dec()
        metrics.ENDS.labels(metrics.end_name(code)).inc()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        try:
            await self._relay.close(_sendable(code), reason)
            await self._record_end(code, reason)
        finally:
            self._tasks.clear()  # they hold this console, and with it both connections' buffers, until the collector comes
            self._over.set()

    # ------------------------------------------------------------------------------------------ its tasks

    def _begin(self, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(self._guarded(work), name=f"console {self.id}"))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            log.exception("console failed", session=str(self.id))
            await self.end(CloseCode.INTERNAL_ERROR, _("Something in Eve failed; its log says what."))

    async def _forward(self) -> None:
        ending = await self._relay.run()
        if ending.said:
            log.info("console_ended_by_host", session=str(self.id), code=ending.code, said=ending.said)
        if ending.is_a_guess:
            with contextlib.suppress(DatabaseFault):
                known = await in_database_thread(last_word)(self._vm_id, self.id)
                ending = ending if known is None else Ending(known)
        await self.end(ending.code, ending.reason)

    async def _watch(self) -> None:
        """Looks whether it may go on: when told to, and every 30 s.

        A session that could not be re-authorised for twice that long ends.
        """
        loop = asyncio.get_running_loop()
        known_at = loop.time()
        last = known_at + (settings.CONSOLE_TOTAL_SECONDS or float("inf"))
        while True:
            pause = settings.CONSOLE_RECHECK_SECONDS
            wait: float = pause
            if self._ends_at is not None:
                wait = min(pause, max((self._ends_at - timezone.now()).total_seconds(), LEAST_PAUSE_SECONDS))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._look.wait()
            self._look.clear()
            if loop.time() > last:  # the agent counts too, but a host is not trusted to
                await self.end(CloseCode.TOTAL_LIMIT)
                return
            try:
                await self._check()
                known_at = loop.time()
            except DatabaseFault as error:
                log.warning("no database; the console looks again soon", session=str(self.id), error=str(error))
                if loop.time() - known_at >= 2 * pause:
                    await self.end(CloseCode.SERVICE_RESTART, _("Eve's database is away."))
                    return
                await asyncio.sleep(min(LOOK_AGAIN_SECONDS, pause))
                self._look.set()

    async def _check(self) -> None:
        code = await in_database_thread(self._meter_and_look)(*self._moved())
        if code is not None:
            await self.end(code)

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


def _sendable(code: int) -> int:
    """`code`, or a fault where RFC 6455 (7.4) forbids to send it."""
    return (
        code
        if 4000 <= code < 5000 or code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013)
        else CloseCode.INTERNAL_ERROR
    )
