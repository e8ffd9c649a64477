"""Watches all hosts that fall to this process: one task for each, none that blocks the others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import uuid
from typing import Any

import structlog

from common.errors import EveError

from .leases import LEASE, Assignment, leases_release, leases_take
from .link import HostLink
from .presence import Presence, dead_watchers
from .services.certificates import ca_ensure, eve_certificate_renew
from .signals import hypervisor_removed
from .transport import drop_session
from .workers import Workers

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0
CERTIFICATE_SECONDS = 60.0
STOP_SECONDS = 3.0


async def watch_forever(stop: asyncio.Event) -> None:
    """Watches until `stop`. Several processes may do so: they share the hosts.

    Raises:
        AuthorityError: Eve's CA cannot be used.
    """
    watcher = _Watcher()
    hypervisor_removed.connect(watcher.on_removed, weak=False, dispatch_uid=watcher.name)
    try:
        await watcher.run(stop)
    finally:
        hypervisor_removed.disconnect(dispatch_uid=watcher.name)


class _Watcher:
    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._workers = Workers()
        self._tasks: dict[Assignment, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._leased_at = self._loop.time()
        self._renewed_at: float | None = None

    def on_removed(self, *, hypervisor_id: uuid.UUID, **_kwargs: Any) -> None:
        """A host was shut out (called in some thread): its link ends now, not at the next tick."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the link with it
            self._loop.call_soon_threadsafe(self._cut, hypervisor_id)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, or cancelled."""
        stopped = asyncio.create_task(stop.wait())
        stopped.add_done_callback(lambda _task: self._wake.set())
        presence = Presence(self.name)
        try:
            await self._workers.write(ca_ensure)
            for name in dead_watchers():
                log.info("watcher_was_killed", watcher=name)
                await self._workers.write(leases_release, watcher=name)
            log.info("watching", watcher=self.name)
            while not stop.is_set():
                await self._tick()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_SECONDS):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            stopped.cancel()
            hosts = [assignment.hypervisor_id for assignment in self._tasks]
            await self._end(set(self._tasks))
            for hypervisor_id in hosts:
                drop_session(hypervisor_id)  # threads that wait for a slow host end now
            with contextlib.suppress(Exception):  # without a database the leases run out by themselves
                await asyncio.wait_for(self._workers.write(leases_release, watcher=self.name), STOP_SECONDS)
            await self._workers.close(seconds=STOP_SECONDS)
            presence.end()

    async def _tick(self) -> None:
        try:
            wanted = set(await self._workers.write(leases_take, watcher=self.name))
            self._leased_at = self._loop.time()
        except Exception:
            log.exception("leases_not_renewed", watcher=self.name)
            if self._loop.time() - self._leased_at > LEASE.total_seconds():
                await self._end(set(self._tasks))  # they are somebody else's by now
            return
        await self._end(set(self._tasks) - wanted)
        for assignment in wanted:
            task = self._tasks.get(assignment)
            if task is None or task.done():
                link = HostLink(assignment, self._workers)
                self._tasks[assignment] = asyncio.create_task(link.run(), name=f"watch {assignment.name}")
        await self._renew()

    async def _renew(self) -> None:
        now = self._loop.time()
        if self._renewed_at is not None and now - self._renewed_at < CERTIFICATE_SECONDS:
            return
        self._renewed_at = now
        try:
            await self._workers.write(eve_certificate_renew)
        except EveError as error:
            log.warning("eve_certificate_not_renewed", why=str(error))

    def _cut(self, hypervisor_id: uuid.UUID) -> None:
        for assignment, task in self._tasks.items():
            if assignment.hypervisor_id == hypervisor_id:
                task.cancel()
        self._wake.set()

    async def _end(self, assignments: set[Assignment]) -> None:
        tasks = [self._tasks.pop(assignment) for assignment in assignments]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
