"""A Driver over a blocking library: threads, deadlines, reconnecting, and events that are read before they are told.

One connection, the watch, only listens: it tells events, and its end tells that the daemon died or hangs. Calls are made
on connections of their own, one thread and one call at a time on each. That is how the library is used everywhere, and
it is safe: libvirt 9.0 was seen to crash when a connection with two calls under way was closed by its keepalive.

How a daemon or a guest that hangs is survived:

- every call has a deadline, and one that does not return costs one thread and one connection (:mod:`.pool`);
- what may wait for a guest's QEMU is kept apart from what does not: lists and states are answered while a QEMU hangs;
- what may wait for a guest is asked of it one at a time, and not at all while an earlier such call is stuck; but its plug
  can be pulled. No more than :data:`GUESTS_STUCK` calls may be stuck so, since each holds a thread of the daemon's too;
- what hangs on the guest's own goodwill (its agent) has two places and a short deadline, then its power button is pressed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import uuid
from collections.abc import Callable, Hashable
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

from eve_agent.errors import AgentError, LibvirtAway, LibvirtTimeout, NoGuestAgent
from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Domain, StateAction
from eve_agent.wire.events import Event, EventKind
from eve_agent.wire.host import HostFacts

from .asking import Asking
from .base import EventListener, Screenshot
from .feed import EventFeed
from .follower import Follower
from .host import Hypervisor, Session, Watch
from .pool import CallPool, CallTimeout, PoolExhausted

T = TypeVar("T")

WORKERS = 4
CHANGES_AT_ONCE = 3
"""State changes at once, which leaves a thread to reads and consoles."""
AGENT_CALLS_AT_ONCE = 2
GUESTS_STUCK = 8
"""libvirtd has 20 threads to serve calls with (``max_workers``), for all its clients."""
MEASURE_SECONDS = 2.0
"""How long a read waits for fresh disk sizes; the last known do else."""
FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 2.0
STEADY_SECONDS = 5.0
"""A watch that lived that long starts the waiting over from the shortest."""
CLOSE_SECONDS = 2.0
RECHECK_SECONDS = (0.0, 1.0, 4.0, 10.0)
"""Pauses between the lists after connecting: a libvirtd that was just started may call a guest running that it is about to
find dead, and tells nobody when it does (seen with 9.0)."""

_AGENT_CALL = "guest agent"
_WAITS_FOR_GUEST = "waits for a guest"
_ASKING = (StateAction.SHUTDOWN, StateAction.REBOOT)
_log = logging.getLogger(__name__)


class _Line:
    """The watch's end on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, changed: Callable[[uuid.UUID], None]) -> None:
        self._loop = loop
        self._changed = changed
        self.lost = asyncio.Event()
        self.why = ""

    def domain_changed(self, domain_uuid: uuid.UUID) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._tell, domain_uuid)

    def connection_lost(self, why: str) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._lose, why)

    def _tell(self, domain_uuid: uuid.UUID) -> None:
        if not self.lost.is_set():
            self._changed(domain_uuid)

    def _lose(self, why: str) -> None:
        self.why = why
        self.lost.set()


class _Nothing:
    """What the watch's thread has for a connection of its own."""

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        return


class ThreadedDriver(Asking):
    """Keeps the :class:`~eve_agent.driver.base.Driver` Protocol over a :class:`~eve_agent.driver.host.Hypervisor`.

    Args:
        hypervisor: opens connections.
        call_timeout_seconds: for everything that reads, opens a console or asks a guest's agent.
        change_timeout_seconds: for a state change, which the daemon may take its time for.
    """

    def __init__(
        self, hypervisor: Hypervisor, *, call_timeout_seconds: float = 10.0, change_timeout_seconds: float = 60.0
    ) -> None:
        self._hypervisor = hypervisor
        self._call_timeout_seconds = call_timeout_seconds
        self._change_timeout_seconds = change_timeout_seconds
        self._feed = EventFeed()
        self._follower = Follower(self.domain, self._feed)
        self._is_up = False
        self._why_down = "not connected yet"
        self._calls: CallPool[Session] | None = None
        self._watching: CallPool[_Nothing] | None = None
        self._watch: Watch | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changes = asyncio.Semaphore(CHANGES_AT_ONCE)
        self._turns: WeakValueDictionary[uuid.UUID | None, asyncio.Lock] = WeakValueDictionary()

    @property
    def is_up(self) -> bool:
        """Whether the watch is open."""
        return self._is_up

    def subscribe(self, listener: EventListener) -> Callable[[], None]:
        return self._feed.subscribe(listener)

    async def start(self) -> None:
        if self._keeper is not None:
            return
        self._calls = CallPool(self._hypervisor.open_session, name="libvirt call", workers=WORKERS)
        self._watching = CallPool(_Nothing, name="libvirt watch", workers=1)
        tried = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep_watching(self._watching, tried), name="libvirt watch")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._call_timeout_seconds):
                await tried.wait()

    async def close(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None or self._calls is None or self._watching is None:
            return
        self._is_up, self._why_down = False, "the agent is ending"
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await self._follower.close()
        await self._end_watch(self._watching)
        self._calls.close()
        self._watching.close()

    async def host_facts(self) -> HostFacts:
        return await self._call(lambda session: session.facts(), key="facts")

    async def domains(self) -> tuple[Domain, ...]:
        await self._measure(None)
        return await self._call(lambda session: session.domains(), key="domains")

    async def domain(self, domain_uuid: uuid.UUID) -> Domain:
        await self._measure(domain_uuid)
        return await self._call(lambda session: session.domain(domain_uuid), key=("read", domain_uuid))

    async def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        if action in _ASKING and await self._asked_agent(domain_uuid, action):
            return await self.domain(domain_uuid)
        seconds = self._change_timeout_seconds
        async with self._changes:
            try:
                if action is StateAction.STOP:  # pulling the plug must not wait for a softer change that hangs
                    return await self._call(
                        lambda session: session.change_state(domain_uuid, action),
                        key=("stop", domain_uuid),
                        timeout_seconds=seconds,
                    )
                return await self._call_guest(
                    domain_uuid, lambda session: session.change_state(domain_uuid, action), timeout_seconds=seconds
                )
            finally:
                self._changed(domain_uuid)

    async def open_console(
        self, domain_uuid: uuid.UUID, kind: ConsoleKind, *, is_forced: bool = False
    ) -> socket.socket:
        def opened(session: Session) -> socket.socket:
            if kind is ConsoleKind.SERIAL:
                return session.open_serial(domain_uuid, is_forced=is_forced)
            return session.open_display(domain_uuid)

        return await self._call_guest(domain_uuid, opened, discard=socket.socket.close)

    async def press_keys(self, domain_uuid: uuid.UUID, keys: tuple[int, ...], hold_ms: int) -> None:
        await self._call_guest(domain_uuid, lambda session: session.press_keys(domain_uuid, keys, hold_ms))

    async def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot:
        return await self._call_guest(domain_uuid, lambda session: session.screenshot(domain_uuid))

    async def _asked_agent(self, domain_uuid: uuid.UUID, action: StateAction) -> bool:
        """Whether the guest's agent took the request; where not, its power button is what remains."""
        if self._calls is not None and self._calls.busy(_AGENT_CALL) >= AGENT_CALLS_AT_ONCE:
            return False
        try:
            return await self._call(
                lambda session: session.ask_guest_agent(domain_uuid, action),
                key=("agent", domain_uuid),
                also=(_AGENT_CALL,),
            )
        except LibvirtTimeout:
            return False

    async def _measure(self, domain_uuid: uuid.UUID | None) -> None:
        """Refreshes disk sizes, without which a read is still worth having."""
        try:
            await self._call_guest(
                domain_uuid,
                lambda session: session.measure_disks(domain_uuid),
                timeout_seconds=min(MEASURE_SECONDS, self._call_timeout_seconds),
            )
        except LibvirtAway:
            raise
        except AgentError as error:
            _log.debug("disks were not measured", extra={"domain": str(domain_uuid), "reason": str(error)})

    async def _change(
        self, domain_uuid: uuid.UUID, operation: Callable[[Session], T], *, timeout_seconds: float | None = None
    ) -> T:
        """A change of a domain, which may wait for its QEMU."""
        seconds = self._change_timeout_seconds if timeout_seconds is None else timeout_seconds
        async with self._changes:
            try:
                return await self._call_guest(domain_uuid, operation, timeout_seconds=seconds)
            finally:
                self._changed(domain_uuid)

    async def _write(self, operation: Callable[[Session], T], *, key: Hashable) -> T:
        """A change of a pool, or a look at all that it holds."""
        async with self._changes:
            return await self._call(operation, key=key, timeout_seconds=self._change_timeout_seconds)

    async def _ask_agent(self, domain_uuid: uuid.UUID, operation: Callable[[Session], T]) -> T:
        """Something of a guest's agent."""
        if self._calls is not None and self._calls.busy(_AGENT_CALL) >= AGENT_CALLS_AT_ONCE:
            raise NoGuestAgent("Too many guests' agents of this host are being asked just now; try again in a moment.")
        return await self._call(
            operation,
            key=("agent", domain_uuid),
            also=(_AGENT_CALL,),
            timeout_seconds=self._change_timeout_seconds,
        )

    async def _call_guest(
        self,
        domain_uuid: uuid.UUID | None,
        operation: Callable[[Session], T],
        *,
        timeout_seconds: float | None = None,
        discard: Callable[[T], None] | None = None,
    ) -> T:
        """A call that may wait for the guest's QEMU (without an id: for any): one at a time for each."""
        seconds = self._call_timeout_seconds if timeout_seconds is None else timeout_seconds
        turn = self._turns.setdefault(domain_uuid, asyncio.Lock())
        try:
            async with asyncio.timeout(seconds):
                await turn.acquire()
        except TimeoutError as error:
            raise LibvirtTimeout("libvirt is still busy with this virtual machine; try again in a minute.") from error
        try:
            if self._calls is not None and self._calls.stuck(_WAITS_FOR_GUEST) >= GUESTS_STUCK:
                raise LibvirtTimeout("Too many virtual machines of this host do not answer; try again in a minute.")
            return await self._call(
                operation,
                key=("guest", domain_uuid),
                also=(_WAITS_FOR_GUEST,),
                timeout_seconds=seconds,
                discard=discard,
            )
        finally:
            turn.release()

    async def _call(
        self,
        operation: Callable[[Session], T],
        *,
        key: Hashable,
        also: tuple[Hashable, ...] = (),
        timeout_seconds: float | None = None,
        discard: Callable[[T], None] | None = None,
    ) -> T:
        """What `operation` returns. `key` names what is refused for as long as an earlier call of that name is stuck."""
        pool = self._calls
        if pool is None or not self._is_up:
            raise LibvirtAway(f"libvirt is not reachable on this host ({self._why_down}); the agent keeps trying.")
        if pool.stuck(key):
            raise LibvirtTimeout("libvirt has not answered an earlier request of this kind; try again in a minute.")
        seconds = self._call_timeout_seconds if timeout_seconds is None else timeout_seconds
        try:
            return await pool.run(operation, timeout_seconds=seconds, tags=(key, *also), discard=discard)
        except CallTimeout as error:
            raise LibvirtTimeout(
                f"libvirt did not answer within {seconds:g} seconds; what was asked for may still happen."
            ) from error
        except PoolExhausted as error:
            raise LibvirtTimeout("libvirt does not answer on this host; try again in a minute.") from error

    async def _keep_watching(self, pool: CallPool[_Nothing], tried: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        wait_seconds = FIRST_RETRY_SECONDS
        while True:
            line = _Line(loop, self._changed)
            opened_at = loop.time()
            try:
                # No deadline: a hung daemon would otherwise be given one more hanging connection at every attempt.
                watch = await pool.run(partial(self._open_watch, line), timeout_seconds=None, discard=_close)
            except AgentError as error:
                self._note_down(str(error))
            except Exception as error:
                _log.exception("connecting to libvirt failed")
                self._note_down(f"{type(error).__name__}; the agent's log has more")
            else:
                _log.info("connected to libvirt")
                self._watch = watch
                self._is_up = True
                self._feed.publish(Event(EventKind.LIBVIRT_UP))
                tried.set()
                recheck = asyncio.create_task(self._recheck())
                try:
                    await line.lost.wait()
                finally:
                    recheck.cancel()
                self._is_up = False
                self._note_down(line.why)
                self._feed.publish(Event(EventKind.LIBVIRT_DOWN))
                await self._end_watch(pool)
            tried.set()
            if loop.time() - opened_at > STEADY_SECONDS:
                wait_seconds = FIRST_RETRY_SECONDS
            await asyncio.sleep(wait_seconds * random.uniform(0.8, 1.2))  # noqa: S311  (spreads, hides nothing)
            wait_seconds = min(2 * wait_seconds, LAST_RETRY_SECONDS)

    async def _recheck(self) -> None:
        """Tells what changed without an event while the daemon found its guests again."""
        known: dict[uuid.UUID, Domain] | None = None
        for pause_seconds in RECHECK_SECONDS:
            await asyncio.sleep(pause_seconds)
            try:
                found = {domain.uuid: domain for domain in await self.domains()}
            except AgentError:
                continue
            if known is not None:
                for domain_uuid in known.keys() | found.keys():
                    if known.get(domain_uuid) != found.get(domain_uuid):
                        self._changed(domain_uuid)
            known = found

    def _changed(self, domain_uuid: uuid.UUID) -> None:
        if self._is_up:
            self._follower.changed(domain_uuid)

    def _open_watch(self, line: _Line, _: _Nothing) -> Watch:
        return self._hypervisor.open_watch(line)

    async def _end_watch(self, pool: CallPool[_Nothing]) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            with contextlib.suppress(CallTimeout, PoolExhausted):
                await pool.run(lambda _: watch.close(), timeout_seconds=CLOSE_SECONDS)

    def _note_down(self, why: str) -> None:
        if why != self._why_down:
            _log.warning("libvirt is away", extra={"reason": why})
        self._why_down = why


def _close(watch: Watch) -> None:
    watch.close()
