"""The Protocol that every driver keeps, and that one contract suite tests."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Domain, StateAction
from eve_agent.wire.events import Event
from eve_agent.wire.host import HostFacts

EventListener = Callable[[Event], None]
"""Called on the event loop's thread; must not block."""


@dataclass(frozen=True, slots=True)
class Screenshot:
    """A picture of a domain's screen."""

    content_type: str
    """``image/png`` or ``image/x-portable-pixmap``."""
    data: bytes


class Driver(Protocol):
    """A host's hypervisor. Every coroutine may raise LibvirtAway and LibvirtTimeout (retryable)."""

    @property
    def is_up(self) -> bool:
        """Whether the hypervisor can be reached just now."""

    async def start(self) -> None:
        """Connects, and goes on trying in the background while that fails; never raises for a hypervisor that is away."""

    async def close(self) -> None:
        """Disconnects. Running guests live on, and so do sockets from :meth:`open_console`."""

    async def host_facts(self) -> HostFacts:
        """What the host is."""

    async def domains(self) -> tuple[Domain, ...]:
        """All domains, active or not, by name."""

    async def domain(self, domain_uuid: uuid.UUID) -> Domain:
        """One domain. Raises DomainNotFound."""

    async def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        """The domain after `action`, which succeeds without effect where it is already so.

        Raises DomainNotFound, DomainOff (shutdown, reboot, reset, suspend, resume of what is off), ActionRefused.
        """

    async def open_console(self, domain_uuid: uuid.UUID, kind: ConsoleKind) -> socket.socket:
        """A connected, non-blocking stream socket to the display, past its password; the caller owns it.

        Raises DomainNotFound, DomainOff, NoDisplay, DisplayUnsupported, ActionRefused, NotSupported.
        """

    async def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot:
        """The screen as it is now. Raises DomainNotFound, DomainOff, NoDisplay, ActionRefused."""

    def subscribe(self, listener: EventListener) -> Callable[[], None]:
        """Calls `listener` for every event from now on, until the returned function is called."""
