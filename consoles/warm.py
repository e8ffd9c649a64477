"""Connections to agents that are made before anybody asks: TCP and TLS are the largest part of a console's set-up.

An agent at which a console was opened just now has one such connection waiting, for a minute: whoever watches several machines, or comes
back to one, does not wait for a handshake. It serves one console and is never used again. A host at which nobody opens consoles has none.
Before it is used it must be what a new connection would be; whatever takes a host's consoles away closes it at once.
"""

from __future__ import annotations

import asyncio
import uuid
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.conf import settings

from common.errors import EveError
from hypervisors.tls import AgentTls
from hypervisors.verified import Verified, connect_verified

from . import notices
from .switchboard import Position, switchboard

log = structlog.get_logger(__name__)

KEEP_SECONDS = 60.0
"""Less than an agent waits for a connection's first request (75 s)."""
MAX_LINKS = 32
"""In one process; the oldest goes first."""


class WarmLink:
    """One connection that waits, or is being made."""

    def __init__(self, hypervisor_id: uuid.UUID, trust: AgentTls, on_end: Callable[[WarmLink], None]) -> None:
        self.hypervisor_id = hypervisor_id
        self._trust = trust
        self._on_end = on_end
        self._topics = [notices.hypervisor_topic(hypervisor_id)]
        self._connection: Verified | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._making: asyncio.Task[None] | None = None

    def start(self, since: Position) -> None:
        """Connects; `since` is from before `trust` was read."""
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_later(KEEP_SECONDS, self.end)
        self._making = loop.create_task(self._make(), name=f"warm link to {self._trust.name}")
        switchboard().join(self, self._topics, since=since)

    def notice(self, notice: Mapping[str, Any]) -> None:
        """As :class:`consoles.switchboard.Listener`: whatever concerns the host's consoles."""
        self.end()

    async def take(self, trust: AgentTls) -> Verified | None:
        """The connection, which is the caller's from now on, if a new one by `trust` would be the same."""
        if self._making is not None and not self._making.done():
            try:
                await asyncio.wait([self._making])
            except asyncio.CancelledError:
                self.end()
                raise
        connection, self._connection = self._connection, None
        self.end()
        if connection is None or connection.is_good_for(trust):
            return connection
        connection.abort()
        return None

    def end(self) -> None:
        """Closes it, unless it was taken."""
        switchboard().leave(self, self._topics)
        if self._expiry is not None:
            self._expiry.cancel()
        if self._making is not None:
            self._making.cancel()
        if self._connection is not None:
            self._connection.on_lost = None
            self._connection.abort()
            self._connection = None
        self._on_end(self)

    async def _make(self) -> None:
        try:
            async with asyncio.timeout(settings.AGENT_CONNECT_TIMEOUT_SECONDS):
                connection = await connect_verified(self._trust)
        except (OSError, EveError) as error:  # whoever opens a console there will be told why
            log.info("no warm link", name=self._trust.name, why=str(error))
            asyncio.get_running_loop().call_soon(self.end)
            return
        connection.on_lost = self.end
        self._connection = connection


class WarmLinks:
    """Those of one event loop: :func:`warm_links`."""

    def __init__(self) -> None:
        self._links: dict[uuid.UUID, WarmLink] = {}

    def __len__(self) -> int:
        return len(self._links)

    def prepare(self, hypervisor_id: uuid.UUID, trust: AgentTls, *, since: Position) -> None:
        """Has a connection to that agent made, unless there is one. `since` is from before `trust` was read."""
        if hypervisor_id in self._links:
            return
        while len(self._links) >= MAX_LINKS:
            next(iter(self._links.values())).end()
        link = self._links[hypervisor_id] = WarmLink(hypervisor_id, trust, self._ended)
        link.start(since)

    async def take(self, hypervisor_id: uuid.UUID, trust: AgentTls) -> Verified | None:
        """A connection to that agent which is the caller's from now on, if there is one that is as good as new."""
        link = self._links.pop(hypervisor_id, None)
        return None if link is None else await link.take(trust)

    def close(self) -> None:
        """Closes all."""
        for link in list(self._links.values()):
            link.end()

    def _ended(self, link: WarmLink) -> None:
        if self._links.get(link.hypervisor_id) is link:
            del self._links[link.hypervisor_id]


_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, WarmLinks] = weakref.WeakKeyDictionary()


def warm_links() -> WarmLinks:
    """Those of the running loop."""
    return _of_loops.setdefault(asyncio.get_running_loop(), WarmLinks())


async def close_when_stopped(stop: asyncio.Event) -> None:
    """Closes them at `stop`."""
    try:
        await stop.wait()
    finally:
        warm_links().close()
