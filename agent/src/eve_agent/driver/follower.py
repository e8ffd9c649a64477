"""From "something changed at that domain" to an event that says what the domain is now."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable

from eve_agent.errors import AgentError, DomainNotFound, LibvirtAway, LibvirtTimeout
from eve_agent.wire.domain import Domain
from eve_agent.wire.events import Event, EventKind

from .feed import EventFeed

SETTLE_SECONDS = 0.1
"""How long a domain's changes are gathered before it is read: one start is a handful of them."""
REREAD_SECONDS = 1.0
"""How long until a domain that could not be read in time is tried again."""

_log = logging.getLogger(__name__)


class Follower:
    """Reads each changed domain, soon, and once for all that happens to it until then.

    Domains do not wait for each other: one that is slow to read delays its own events only.

    Args:
        read: reads one domain, as :meth:`~eve_agent.driver.base.Driver.domain`.
        feed: where the events go.
    """

    def __init__(self, read: Callable[[uuid.UUID], Awaitable[Domain]], feed: EventFeed) -> None:
        self._read = read
        self._feed = feed
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._again: set[uuid.UUID] = set()

    def changed(self, domain_uuid: uuid.UUID) -> None:
        """Something of that domain changed, or it is gone."""
        if domain_uuid in self._tasks:
            self._again.add(domain_uuid)
        else:
            self._tasks[domain_uuid] = asyncio.create_task(self._follow(domain_uuid))

    async def close(self) -> None:
        """Reads and tells no more."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
            del self._tasks[domain_uuid]

    async def _report(self, domain_uuid: uuid.UUID) -> float | None:
        """Tells what the domain is now; after how many seconds to try again where it could not be read."""
        try:
            domain = await self._read(domain_uuid)
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
