"""Brings what happened to whom it concerns: spreads the outbox, sends mails and posts to webhooks, tries again what failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error as DatabaseFault

from common.threads import DatabaseThreads, with_connections
from operations import wakeup

from .errors import PostFailed
from .models import Delivery
from .sending.mailing import mail_send
from .sending.posting import post
from .services.conditions import conditions_settle
from .services.deliveries import Letter, Outcome, Post, delivery_claim, delivery_end, delivery_open, events_sweep
from .services.levels import levels_look
from .services.spreading import events_spread

log = structlog.get_logger(__name__)

T = TypeVar("T")

SLOTS: Final = 8
"""How many deliveries are under way at a time; of one person or webhook, one."""
POLL_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 3600.0
STOP_SECONDS: Final = 3.0


async def deliver_forever(stop: asyncio.Event) -> None:
    """Delivers until `stop`. Several processes may do so: each delivery is one's."""
    await Courier().run(stop)


class Courier:
    """One process' courier."""

    def __init__(self) -> None:
        self._database = DatabaseThreads(2, "courier")
        self._mail = ThreadPoolExecutor(SLOTS, thread_name_prefix="courier-mail")
        self._lanes: dict[UUID, asyncio.Task[None]] = {}
        """What is under way, by user or webhook."""
        self._looked_at = float("-inf")
        self._swept_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`; what is under way then has :data:`STOP_SECONDS`, and is tried again after its lease."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            with wakeup.listening() as woken:
                while not stop.is_set():
                    woken.clear()
                    try:
                        await self.look(woken)
                    except DatabaseFault as error:
                        log.warning("notifications wait for the database", error=str(error))
                    await self._wait(woken, stopping)
        finally:
            stopping.cancel()
            if self._lanes:
                _done, late = await asyncio.wait(self._lanes.values(), timeout=STOP_SECONDS)
                for task in late:
                    task.cancel()
            self._database.shutdown(wait=False)
            self._mail.shutdown(wait=False, cancel_futures=True)

    async def look(self, woken: asyncio.Event) -> None:
        """Does what is due, and begins what waits to be sent."""
        await self._ask(conditions_settle)
        if time.monotonic() - self._looked_at >= settings.NOTIFY_LOOK_SECONDS:
            await self._ask(levels_look)
            self._looked_at = time.monotonic()
        while await self._ask(events_spread):
            pass
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS and not await self._ask(events_sweep):
            self._swept_at = time.monotonic()
        while len(self._lanes) < SLOTS:
            delivery = await self._ask(partial(delivery_claim, but=tuple(self._lanes)))
            if delivery is None:
                return
            lane = delivery.webhook_id or delivery.user_id
            assert lane is not None
            self._lanes[lane] = asyncio.create_task(self._deliver(delivery))
            self._lanes[lane].add_done_callback(partial(self._delivered, lane, woken))

    async def _deliver(self, delivery: Delivery) -> None:
        sending = await self._ask(partial(delivery_open, delivery))
        if sending is None:
            return
        outcome = await self._sent(sending)
        if outcome.error:
            log.info("not delivered", delivery=str(delivery.pk), error=outcome.error, answer=outcome.answer)
        await self._ask(partial(delivery_end, delivery=delivery, outcome=outcome))

    async def _sent(self, sending: Letter | Post) -> Outcome:
        if isinstance(sending, Post):
            try:
                return Outcome(answer=await post(url=sending.url, body=sending.body, headers=sending.headers))
            except PostFailed as error:
                return Outcome(error=error.reason, answer=error.answer, is_final=error.is_final)
        send = partial(
            mail_send,
            delivery_id=sending.delivery_id,
            address=sending.address,
            subject=sending.subject,
            text=sending.text,
        )
        try:
            await asyncio.get_running_loop().run_in_executor(self._mail, send)
        except Exception as error:  # of whatever mail backend there is; its text may quote the mail
            log.warning("mail not sent", error=type(error).__name__)
            return Outcome(error="mail")
        return Outcome()

    def _delivered(self, lane: UUID, woken: asyncio.Event, done: asyncio.Task[None]) -> None:
        del self._lanes[lane]
        woken.set()
        if not done.cancelled() and (error := done.exception()) is not None:
            log.warning("delivery could not be ended; it is tried again later", error=type(error).__name__)

    async def _wait(self, woken: asyncio.Event, stopping: asyncio.Future[Any]) -> None:
        waiting: asyncio.Future[Any] = asyncio.ensure_future(woken.wait())
        try:
            await asyncio.wait({waiting, stopping}, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    async def _ask(self, query: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database, with_connections, query)
