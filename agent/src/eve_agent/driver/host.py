"""What a blocking hypervisor library has to offer, so that :class:`~eve_agent.driver.threaded.ThreadedDriver` can drive it."""

from __future__ import annotations

import socket
import uuid
from typing import Protocol

from eve_agent.wire.domain import Domain, StateAction
from eve_agent.wire.host import HostFacts

from .base import Screenshot


class HostListener(Protocol):
    """Who is told what happens on a connection. Both may be called from any thread and return at once."""

    def domain_changed(self, domain_uuid: uuid.UUID) -> None:
        """Something of that domain changed, or it is gone: it is to be read again."""

    def connection_lost(self, why: str) -> None:
        """The connection ended by itself and has to be opened again."""


class BlockingHost(Protocol):
    """One open connection to a hypervisor. Every method blocks, and is called from several threads at once.

    Every method but :meth:`close` raises LibvirtAway when the connection is dead, and else as
    :class:`~eve_agent.driver.base.Driver` says for the coroutine of the same purpose.
    """

    def facts(self) -> HostFacts: ...

    def domains(self) -> tuple[Domain, ...]: ...

    def domain(self, domain_uuid: uuid.UUID) -> Domain: ...

    def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        """``shutdown`` and ``reboot`` press the guest's power button (ACPI)."""

    def ask_guest_agent(self, domain_uuid: uuid.UUID, action: StateAction) -> bool:
        """Asks the agent in the guest for ``shutdown`` or ``reboot``; false where none is there or it did not take it.

        The guest decides how long that takes.
        """

    def open_display(self, domain_uuid: uuid.UUID) -> socket.socket: ...

    def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot: ...

    def close(self) -> None:
        """Ends the connection, once calls that are under way have returned. Never raises."""
