"""A Driver over a blocking library: threads, deadlines, reconnecting, and events that are read before they are told.

How a hypervisor daemon that hangs is survived:

- every call has a deadline and costs one thread at most (:mod:`.pool`);
- a domain with a stuck call of some kind is not asked the same again until it has returned, so that one sick guest
  (a stopped QEMU, a dead network disk) cannot use up the threads;
- a connection on which several calls are stuck is replaced, and the library's keepalive ends one whose daemon is
  stopped, which brings all its calls back;
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

from eve_agent.errors import AgentError, DomainNotFound, LibvirtAway, LibvirtTimeout, NotSupported
from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Domain, StateAction
from eve_agent.wire.events import Event, EventKind
from eve_agent.wire.host import HostFacts

from .base import EventListener, Screenshot
from .feed import EventFeed
from .host import BlockingHost, HostListener
from .pool import CallPool, CallTimeout, PoolExhausted

T = TypeVar("T")
Opener = Callable[[HostListener], BlockingHost]
"""Opens a connection, blocking for as long as that takes; raises LibvirtAway."""

WORKERS = 4
"""Calls at once: libvirtd serves five of one client's (``max_client_requests``)."""
CHANGES_AT_ONCE = 3
"""State changes at once, which leaves a thread to reads and consoles."""
AGENT_CALLS_AT_ONCE = 2
STUCK_CALLS_PER_CONNECTION = 4
"""With so many a connection is replaced, before the daemon stops reading from it."""
FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 2.0
STEADY_SECONDS = 5.0
"""A connection that lived that long starts the waiting over from the shortest."""
SETTLE_SECONDS = 0.1
"""How long a domain's changes are gathered before it is read: one start is a handful of them."""
REREAD_SECONDS = 1.0
CLOSE_SECONDS = 2.0

_AGENT_CALL = "guest agent"
_ASKING = (StateAction.SHUTDOWN, StateAction.REBOOT)
_log = logging.getLogger(__name__)


class _Line:
    """One connection's end on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, changed: Callable[[_Line, uuid.UUID], None]) -> None:
        self._loop = loop
        self._changed = changed
        self.lost = asyncio.Event()
        self.why = ""

    def domain_changed(self, domain_uuid: uuid.UUID) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._changed, self, domain_uuid)

    def connection_lost(self, why: str) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.lose, why)

    def lose(self, why: str) -> None:
        if not self.lost.is_set():
            self.why = why
            self.lost.set()


class ThreadedDriver:
    """Keeps the :class:`~eve_agent.driver.base.Driver` Protocol over a :class:`~eve_agent.driver.host.BlockingHost`.

    Args:
        opener: opens a connection; called again whenever one was lost.
        call_timeout_seconds: for everything that reads, opens a console or asks a guest's agent.
        change_timeout_seconds: for a state change, which the daemon may take its time for.
    """

    def __init__(
        self, opener: Opener, *, call_timeout_seconds: float = 10.0, change_timeout_seconds: float = 60.0
    ) -> None:
        self._opener = opener
        self._call_timeout_seconds = call_timeout_seconds
        self._change_timeout_seconds = change_timeout_seconds
        self._feed = EventFeed()
        self._line: _Line | None = None
        self._host: BlockingHost | None = None
        self._why_down = "not connected yet"
        self._following: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._again: set[uuid.UUID] = set()
        self._pool: CallPool | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._changes = asyncio.Semaphore(CHANGES_AT_ONCE)

    @property
    def is_up(self) -> bool:
        """Whether a connection is open."""
        return self._host is not None

    def subscribe(self, listener: EventListener) -> Callable[[], None]:
        return self._feed.subscribe(listener)

    async def start(self) -> None:
        if self._keeper is not None:
            return
        self._pool = CallPool(name="libvirt", workers=WORKERS)
        tried = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep_connected(self._pool, tried), name="libvirt connection")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._call_timeout_seconds):
                await tried.wait()

    async def close(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None or self._pool is None:
            return
        tasks = [keeper, *self._following.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        host, self._host, self._line = self._host, None, None
        self._why_down = "the agent is ending"
        if host is not None:
            with contextlib.suppress(CallTimeout, PoolExhausted):
                await self._pool.run(host.close, timeout_seconds=CLOSE_SECONDS)
        self._pool.close()

    async def host_facts(self) -> HostFacts:
        return await self._call(lambda host: host.facts(), key="facts")

    async def domains(self) -> tuple[Domain, ...]:
        return await self._call(lambda host: host.domains(), key="domains")

    async def domain(self, domain_uuid: uuid.UUID) -> Domain:
        return await self._call(lambda host: host.domain(domain_uuid), key=("read", domain_uuid))

    async def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        if action in _ASKING and await self._asked_agent(domain_uuid, action):
            return await self.domain(domain_uuid)
        # Pulling the plug must not wait for a softer change that hangs.
        key = ("stop" if action is StateAction.STOP else "change", domain_uuid)
        async with self._changes:
            return await self._call(
                lambda host: host.change_state(domain_uuid, action),
                key=key,
                timeout_seconds=self._change_timeout_seconds,
            )

    async def open_console(self, domain_uuid: uuid.UUID, kind: ConsoleKind) -> socket.socket:
        if kind is not ConsoleKind.VNC:
            raise NotSupported("This agent opens the screen (VNC) of a virtual machine, not yet its serial console.")
        return await self._call(
            lambda host: host.open_display(domain_uuid), key=("console", domain_uuid), discard=socket.socket.close
        )

    async def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot:
        return await self._call(lambda host: host.screenshot(domain_uuid), key=("screenshot", domain_uuid))

    async def _asked_agent(self, domain_uuid: uuid.UUID, action: StateAction) -> bool:
        """Whether the guest's agent took the request; where not, its power button is what remains."""
        if self._pool is not None and self._pool.busy(_AGENT_CALL) >= AGENT_CALLS_AT_ONCE:
            return False
        try:
            return await self._call(
                lambda host: host.ask_guest_agent(domain_uuid, action),
                key=("agent", domain_uuid),
                also=(_AGENT_CALL,),
            )
        except LibvirtTimeout:
            return False

    async def _call(
        self,
        operation: Callable[[BlockingHost], T],
        *,
        key: Hashable,
        also: tuple[Hashable, ...] = (),
        timeout_seconds: float | None = None,
        discard: Callable[[T], None] | None = None,
    ) -> T:
        """What `operation` returns. `key` names what is refused for as long as an earlier call of that name is stuck."""
        pool, line, host = self._pool, self._line, self._host
        if pool is None or line is None or host is None:
            raise LibvirtAway(f"libvirt is not reachable on this host ({self._why_down}); the agent keeps trying.")
        if pool.stuck(key):
            raise LibvirtTimeout("libvirt has not answered an earlier request of this kind; try again in a minute.")
        seconds = self._call_timeout_seconds if timeout_seconds is None else timeout_seconds
        try:
            return await pool.run(
                partial(operation, host), timeout_seconds=seconds, tags=(key, line, *also), discard=discard
            )
        except CallTimeout as error:
            if pool.stuck(line) >= STUCK_CALLS_PER_CONNECTION:
                line.lose("too many calls did not return")
            raise LibvirtTimeout(
                f"libvirt did not answer within {seconds:g} seconds; what was asked for may still happen."
            ) from error
        except PoolExhausted as error:
            raise LibvirtTimeout("libvirt does not answer on this host; try again in a minute.") from error
        except LibvirtAway as error:
            line.lose(str(error))
            raise

    async def _keep_connected(self, pool: CallPool, tried: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        wait_seconds = FIRST_RETRY_SECONDS
        while True:
            line = _Line(loop, self._mark)
            opened_at = loop.time()
            try:
                # No deadline: a hung daemon would otherwise be given one more hanging connection at every attempt.
                host = await pool.run(partial(self._opener, line), timeout_seconds=None, discard=_close)
            except AgentError as error:
                self._note_down(str(error))
            except Exception as error:
                _log.exception("connecting to libvirt failed")
                self._note_down(f"{type(error).__name__}; the agent's log has more")
            else:
                opened_at = loop.time()
                self._line, self._host = line, host
                _log.info("connected to libvirt")
                self._feed.publish(Event(EventKind.LIBVIRT_UP))
                tried.set()
                await line.lost.wait()
                self._line, self._host = None, None
                self._note_down(line.why)
                self._feed.publish(Event(EventKind.LIBVIRT_DOWN))
                self._retire(pool, host)
            tried.set()
            if loop.time() - opened_at > STEADY_SECONDS:
                wait_seconds = FIRST_RETRY_SECONDS
            await asyncio.sleep(wait_seconds * random.uniform(0.8, 1.2))  # noqa: S311  (spreads, hides nothing)
            wait_seconds = min(2 * wait_seconds, LAST_RETRY_SECONDS)

    def _note_down(self, why: str) -> None:
        if why != self._why_down:
            _log.warning("libvirt is away", extra={"reason": why})
        self._why_down = why

    def _retire(self, pool: CallPool, host: BlockingHost) -> None:
        """Closes a lost connection in the background, whether or not that hangs."""

        async def retire() -> None:
            with contextlib.suppress(CallTimeout, PoolExhausted):
                await pool.run(host.close, timeout_seconds=CLOSE_SECONDS)

        task = asyncio.create_task(retire())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _mark(self, line: _Line, domain_uuid: uuid.UUID) -> None:
        """Has the domain read again, soon, and once for all that happens to it until then."""
        if line is not self._line:
            return
        if domain_uuid in self._following:
            self._again.add(domain_uuid)
            return
        self._following[domain_uuid] = asyncio.create_task(self._follow(domain_uuid))

    async def _follow(self, domain_uuid: uuid.UUID) -> None:
        try:
            pause_seconds: float | None = SETTLE_SECONDS
            while pause_seconds is not None:
                await asyncio.sleep(pause_seconds)
                self._again.discard(domain_uuid)
                pause_seconds = await self._report(domain_uuid)
                if pause_seconds is None and domain_uuid in self._again:
                    pause_seconds = SETTLE_SECONDS
        finally:
            del self._following[domain_uuid]

    async def _report(self, domain_uuid: uuid.UUID) -> float | None:
        """Tells what the domain is now; after how many seconds to try again where it could not be read."""
        try:
            domain = await self.domain(domain_uuid)
        except DomainNotFound:
            self._feed.publish(Event(EventKind.DOMAIN_REMOVED, domain_uuid=domain_uuid))
        except LibvirtAway:
            return None  # once it is back, LIBVIRT_UP has everybody list everything again
        except LibvirtTimeout:
            return REREAD_SECONDS
        except AgentError as error:
            _log.warning("a changed domain cannot be read", extra={"domain": str(domain_uuid), "reason": str(error)})
        else:
            self._feed.publish(Event(EventKind.DOMAIN_CHANGED, domain_uuid=domain_uuid, domain=domain))
        return None


def _close(host: BlockingHost) -> None:
    host.close()
