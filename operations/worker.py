"""Does the operations: claims them, runs their handlers in threads, ends them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.db import Error as DatabaseFault
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from common.context import RequestContext, request_context
from common.errors import EveError
from common.problems import from_error, problem
from common.sentences import gettext as _
from common.threads import DatabaseThreads, with_connections

from . import handlers, wakeup
from .claims import (
    cancelled,
    operation_begin_undo,
    operation_claim,
    operation_end,
    operation_heartbeat,
    operation_postpone_undo,
)
from .errors import OperationCancelled, OperationLost
from .handlers import Lane
from .models import FOR_STAFF, Operation
from .run import LEASE_SECONDS, OperationRun
from .services import operations_sweep

log = structlog.get_logger(__name__)

T = TypeVar("T")

SLOTS = {Lane.QUICK: 8, Lane.MAKING: 6, Lane.COPYING: 4}
"""How many operations one worker does at a time. Machines are started and stopped however many images are on their way."""
POLL_SECONDS = 1.0
BEAT_SECONDS = LEASE_SECONDS / 3
"""How often a worker prolongs its leases; and how long it leaves others' alone after the database was away, which
kept them from prolonging theirs."""
SWEEP_SECONDS = 3600.0
"""How often old operations are looked for."""
STOP_SECONDS = 4.0
"""How long a worker that was told to stop waits for what it has begun; the rest is taken over after the lease."""


async def work_forever(stop: asyncio.Event) -> None:
    """Does operations until `stop`."""
    await Worker().run(stop)


def operation_run(operation: Operation) -> None:
    """Does one claimed operation in this thread and ends it, whatever its handler raises; or takes it back."""
    with request_context(RequestContext(address=operation.address, request_id=operation.request_id)):
        run = OperationRun(operation)
        if operation.is_undoing:
            _undo(run)
            return
        try:
            outcome = _handle(run)
        except OperationLost:
            log.warning("operation was taken over meanwhile", operation=str(operation.pk), kind=operation.kind)
            return
        if outcome is not None and handlers.find_undo(operation.kind) is not None:
            if _once_the_database_is_there(partial(operation_begin_undo, operation=operation, problem=outcome)):
                _undo(run)
            return
        _end(run, outcome)


def _handle(run: OperationRun) -> Mapping[str, Any] | None:
    """The problem that it ended with, None where it went well. Raises OperationLost."""
    operation = run.operation
    try:
        handlers.find(operation.kind).call(run)
    except OperationLost:
        raise
    except OperationCancelled:
        return cancelled()
    except EveError as error:
        log.info("operation failed", operation=str(operation.pk), kind=operation.kind, code=error.code, why=str(error))
        return {**from_error(error), **({FOR_STAFF: error.for_staff} if error.for_staff else {})}
    except Exception:
        log.exception("operation failed unexpectedly", operation=str(operation.pk), kind=operation.kind)
        return _internal()
    return None


def _undo(run: OperationRun) -> None:
    """Takes it back and ends it with the problem that it failed with; where that fails, a worker tries again later."""
    operation = run.operation
    undo = handlers.find_undo(operation.kind)
    try:
        if undo is not None:
            undo(run)
    except OperationLost:
        log.warning("operation was taken over meanwhile", operation=str(operation.pk), kind=operation.kind)
        return
    except Exception as error:
        log.warning(
            "operation could not be taken back", operation=str(operation.pk), kind=operation.kind, exc_info=True
        )
        if _once_the_database_is_there(partial(operation_postpone_undo, operation=operation, error=error)):
            return
    _end(run, operation.error or _internal())


def _end(run: OperationRun, outcome: Mapping[str, Any] | None) -> None:
    operation = run.operation
    end = partial(operation_end, operation=operation, problem=outcome, result=run.result)
    if not _once_the_database_is_there(end):
        log.warning("operation was taken over meanwhile", operation=str(operation.pk), kind=operation.kind)


def _internal() -> Mapping[str, Any]:
    return problem(
        status_code=500,
        code="internal",
        title=_("Something went wrong in Eve"),
        detail=_("This is a fault of Eve's, not yours; its log has the details. It may or may not have been done."),
        retryable=False,
    )


def _once_the_database_is_there(write: Callable[[], T]) -> T:
    """What is known of an operation must not be audited as an interruption later, because the database was away."""
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            log.warning("operation's end waits for the database", error=str(error))
            time.sleep(POLL_SECONDS)
            close_old_connections()


class Worker:
    """One worker: its name is in what it claims."""

    def __init__(self, *, slots: Mapping[Lane, int] = SLOTS) -> None:
        self.name = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._slots = slots
        self._running: dict[UUID, asyncio.Future[None]] = {}
        self._taken: Counter[Lane] = Counter()
        """How many slots are taken."""
        self._database = DatabaseThreads(1, "operations")
        self._beat_at = float("-inf")
        self._away_at = float("-inf")
        """When the database was last seen to be away."""
        self._swept_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`, then waits :data:`STOP_SECONDS` for what it has begun."""
        with wakeup.listening() as woken, contextlib.closing(_Waiting(stop)) as stopping:
            while not stop.is_set():
                woken.clear()
                try:
                    await self._keep_leases()  # first: a lease may have run out while database or machine slept
                    await self._begin_what_waits(woken)
                    await self._sweep()
                except DatabaseFault as error:
                    log.warning("operations wait for the database", error=str(error))
                    self._beat_at, self._away_at = float("-inf"), time.monotonic()
                except Exception:  # another worker in its place would not know what this one still does
                    log.exception("operations: a look for work failed")
                await stopping.or_until(woken, seconds=POLL_SECONDS)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=STOP_SECONDS)
        self._database.shutdown(wait=False)

    async def _begin_what_waits(self, woken: asyncio.Event) -> None:
        while lanes := [lane for lane in Lane if self._taken[lane] < self._slots[lane]]:
            takes_over = time.monotonic() - self._away_at >= BEAT_SECONDS
            operation = await self._ask(
                partial(
                    operation_claim,
                    worker=self.name,
                    lanes=lanes,
                    takes_over=takes_over,
                    but=tuple(self._running),
                )
            )
            if operation is None:
                return
            lane = Lane.QUICK if operation.is_undoing else handlers.lane_of(operation.kind)
            running = _in_daemon_thread(partial(operation_run, operation), f"operation {operation.kind}")
            self._running[operation.pk] = running
            self._taken[lane] += 1
            running.add_done_callback(partial(self._ended, operation.pk, lane, woken))

    def _ended(self, key: UUID, lane: Lane, woken: asyncio.Event, done: asyncio.Future[None]) -> None:
        del self._running[key]
        self._taken[lane] -= 1
        woken.set()
        if not done.cancelled() and (error := done.exception()) is not None:
            log.warning("operation could not be ended; it is taken over later", operation=str(key), error=str(error))

    async def _keep_leases(self) -> None:
        if time.monotonic() - self._beat_at >= BEAT_SECONDS:
            keys = tuple(self._running)
            await self._ask(lambda: operation_heartbeat(worker=self.name, operations=keys))
            self._beat_at = time.monotonic()

    async def _sweep(self) -> None:
        """Deletes some old operations at each look, until none is left for now."""
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS and not await self._ask(operations_sweep):
            self._swept_at = time.monotonic()

    async def _ask(self, query: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database, with_connections, query)


class _Waiting:
    """Waits for one of two events without leaving tasks behind."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stopped = asyncio.ensure_future(stop.wait())

    async def or_until(self, event: asyncio.Event, *, seconds: float) -> None:
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({waiting, self._stopped}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    def close(self) -> None:
        self._stopped.cancel()


def _in_daemon_thread(work: Callable[[], None], name: str) -> asyncio.Future[None]:
    """Runs `work` in a thread that does not keep the process alive: a handler may wait for a host for half a minute."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def run() -> None:
        failure: Exception | None = None
        try:
            work()
        except Exception as error:
            failure = error
        finally:
            connections.close_all()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(settle, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
