"""What a blocking hypervisor library has to offer, so that :class:`~eve_agent.driver.threaded.ThreadedDriver` can drive it."""

from __future__ import annotations

import socket
import uuid
from typing import Protocol

from eve_agent.wire.domain import Domain, StateAction
from eve_agent.wire.host import HostFacts

from .base import Screenshot


class WatchListener(Protocol):
    """Who is told what happens at the hypervisor. Both may be called from any thread and return at once."""

    def domain_changed(self, domain_uuid: uuid.UUID) -> None:
        """Something of that domain changed, or it is gone: it is to be read again."""

    def connection_lost(self, why: str) -> None:
        """The hypervisor's daemon died or hangs: the watch is to be closed and opened again."""


class Watch(Protocol):
    """A connection that only listens."""

    def close(self) -> None:
        """Ends it. Never raises."""


class Session(Protocol):
    """A connection that one thread makes calls on, one at a time. Every method blocks.

    Every method but :meth:`close` raises LibvirtAway when the connection is dead, and else as
    :class:`~eve_agent.driver.base.Driver` says for the coroutine of the same purpose.
    """

    def is_alive(self) -> bool:
        """Whether a call is worth trying; does not ask the daemon."""

    def close(self) -> None:
        """Ends it. Never raises."""

    def facts(self) -> HostFacts: ...

    def domains(self) -> tuple[Domain, ...]:
        """All domains, without asking anything of a QEMU that may hang; disks as last measured."""

    def domain(self, domain_uuid: uuid.UUID) -> Domain:
        """As :meth:`domains`, of one."""

    def measure_disks(self, domain_uuid: uuid.UUID | None) -> None:
        """Learns the disks' capacities, of all domains without an id; for that, running QEMUs are asked."""

    def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        """``shutdown`` and ``reboot`` press the guest's power button (ACPI)."""

    def ask_guest_agent(self, domain_uuid: uuid.UUID, action: StateAction) -> bool:
        """Asks the agent in the guest for ``shutdown`` or ``reboot``; false where none is there or it did not take it.

        The guest decides how long that takes.
        """

    def open_display(self, domain_uuid: uuid.UUID) -> socket.socket: ...

    def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot: ...


class Hypervisor(Protocol):
    """Opens connections, blocking for as long as that takes. Both raise LibvirtAway."""

    def open_watch(self, listener: WatchListener) -> Watch: ...

    def open_session(self) -> Session: ...
