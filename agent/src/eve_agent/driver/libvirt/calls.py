"""What all calls of a session are made of: looking up, reading, and libvirt's errors in the agent's terms."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from eve_agent.driver.kvm import Virtualization
from eve_agent.driver.patience import PatientReader
from eve_agent.driver.readings import let_go
from eve_agent.driver.rules import not_found
from eve_agent.driver.states import state_of
from eve_agent.driver.xml import DomainDocument, DomainParts, DomainStatus, MalformedXml, read_domain
from eve_agent.errors import ActionRefused, AgentError, DomainOff, LibvirtAway, LibvirtTimeout, NotSupported
from eve_agent.wire.domain import Domain, DomainState, Resources

from .binding import Code, Control, Flag, LibvirtError, words_of

OCCUPIED_MILLISECONDS = 500
"""A QEMU that has kept a question waiting for so long is not asked another one."""
POLL_SECONDS = 0.02
READ_SECONDS = 1.0
"""What one domain may hold up a list for, where libvirt did not know that its QEMU hangs."""
MOST_HANGING = 6
"""With READ_SECONDS and the time for disks, a list still ends in time."""
_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
S = TypeVar("S", bound="Calls")


def translating(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Raises an AgentError for what libvirt raises."""

    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except LibvirtError as error:
            let_go(error)
            raise self._translated(error) from error
        except MalformedXml as error:
            let_go(error)
            raise AgentError(f"libvirt describes this in words that cannot be read: {error}") from error
        except AgentError as error:
            let_go(error)
            raise

    return functools.update_wrapper(call, method)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sessions of a host know, by domain (the bytes of its UUID); changed by replacing a domain's whole entry."""

    virtualization: Virtualization
    """Whether domains are made for KVM."""
    clipboard: str
    """Whether domains are made with a clipboard: see :mod:`eve_agent.driver.clipboard`."""
    capacities: dict[bytes, dict[str, int]] = field(default_factory=dict)
    """Bytes by disk target."""
    macs: dict[bytes, dict[str, str]] = field(default_factory=dict)
    """MACs by interface."""
    seen: dict[bytes, tuple[int, DomainParts]] = field(default_factory=dict)
    """What each running domain was when it was read last, and its number in libvirt then, which is another at each start."""
    reader: PatientReader[tuple[Domain, ...]] = field(
        default_factory=lambda: PatientReader(seconds=READ_SECONDS, most_hanging=MOST_HANGING)
    )
    """For lists."""


class Calls:
    """A connection for one thread's calls, and what all of them need.

    Args:
        connection: a ``libvirt.virConnect``, which belongs to the session from now on.
        uri: where it leads.
        shared: what all sessions know.
    """

    def __init__(self, connection: Any, uri: str, shared: Shared) -> None:
        self._connection = connection
        self._uri = uri
        self._capacities = shared.capacities
        self._macs = shared.macs
        self._seen = shared.seen
        self._reader = shared.reader
        self._virtualization = shared.virtualization
        self._clipboard = shared.clipboard

    def is_alive(self) -> bool:
        """Whether the connection is open, as far as the library knows."""
        try:
            return bool(self._connection.isAlive())
        except LibvirtError:
            return False

    def close(self) -> None:
        """Ends the connection; a second time does nothing."""
        with contextlib.suppress(LibvirtError):
            self._connection.close()

    def _lookup(self, domain_uuid: uuid.UUID) -> Any:
        return self._connection.lookupByUUID(domain_uuid.bytes)

    def _parts(self, domain: Any) -> DomainParts:
        """The domain now; while its QEMU hangs, as it was seen last, in the state that libvirt knows without asking.

        Raises:
            LibvirtTimeout: its QEMU hangs, and was not seen in this run of the guest.
        """
        state, reason = state_of(*domain.state())
        if state is not DomainState.OFF and _is_occupied(domain):
            seen = self._seen_last(domain)
            if seen is None:
                raise LibvirtTimeout(f"The QEMU of “{domain.name()}” does not answer.")
            return dataclasses.replace(seen, domain=dataclasses.replace(seen.domain, state=state, reason=reason))
        parts = self._read(domain, state, reason)
        if state is DomainState.OFF:
            self._seen.pop(domain.UUID(), None)
        else:
            self._seen[domain.UUID()] = domain.ID(), parts
        return parts

    def _domain(self, domain: Any) -> Domain:
        """As :meth:`_parts`; an outline where that is all there is to tell."""
        try:
            return self._parts(domain).domain
        except LibvirtTimeout:
            return _outline(domain, *state_of(*domain.state()), is_persistent=bool(domain.isPersistent()))

    def _listed(self, domain: Any) -> tuple[Domain, ...]:
        """As :meth:`_domain`, also where its XML cannot be read: it must not hide everybody else's. Nothing where it vanished."""
        try:
            return (self._domain(domain),)
        except MalformedXml as error:
            _log.warning("a domain's XML is unreadable", extra={"domain": domain.name(), "reason": str(error)})
            return (_outline(domain, *state_of(*domain.state())),)
        except LibvirtError as error:
            if error.get_error_code() != Code.NO_DOMAIN:
                raise
            return ()

    def _unread(self, domain: Any) -> Domain:
        """What is to be told of a domain that could not be read in time: libvirt is asked nothing at all."""
        seen = self._seen_last(domain)
        return seen.domain if seen is not None else _outline(domain, DomainState.UNKNOWN, "")

    def _seen_last(self, domain: Any) -> DomainParts | None:
        """What this run of the guest was seen as."""
        number, seen = self._seen.get(domain.UUID(), (-1, None))
        known = "what was seen last" if seen is not None and number == domain.ID() else "its name and state"
        _log.warning("a domain's QEMU does not answer; telling %s", known, extra={"domain": domain.name()})
        return seen if number == domain.ID() else None

    def _read(self, domain: Any, state: DomainState, reason: str) -> DomainParts:
        text, planned = domain.XMLDesc(0), ""
        if state is not DomainState.OFF and domain.isPersistent():
            planned = domain.XMLDesc(Flag.XML_INACTIVE)
        status = DomainStatus(
            state=state,
            reason=reason,
            is_persistent=bool(domain.isPersistent()),
            is_autostarted=bool(domain.autostart()),
            disk_capacities=self._capacities.get(domain.UUID(), {}),
            next_start=_next_start(text, planned) if planned else None,
            planned=planned,
        )
        return read_domain(text, status)

    @contextlib.contextmanager
    def _passing_over(self, *codes: int) -> Iterator[None]:
        """A failure with one of the `codes`, such as something that vanished meanwhile, is none; that of a dead connection is."""
        try:
            yield
        except LibvirtError as error:
            if error.get_error_code() not in codes or not self.is_alive():
                raise

    @contextlib.contextmanager
    def _off_is_named(self, domain: Any) -> Iterator[None]:
        """A refusal because the domain stopped meanwhile is DomainOff."""
        try:
            yield
        except LibvirtError as error:
            if error.get_error_code() == Code.OPERATION_INVALID and not domain.isActive():
                raise DomainOff(f"“{domain.name()}” was switched off just now.") from error
            raise

    def _translated(self, error: LibvirtError) -> AgentError:
        """`error` in the agent's terms. A dead connection shows in many codes, so it is asked for first."""
        code, words = error.get_error_code(), words_of(error)
        if not self.is_alive():
            return LibvirtAway(f"libvirt went away: {words}")
        if code == Code.NO_DOMAIN:
            return not_found()
        if code == Code.OPERATION_TIMEOUT:
            return LibvirtTimeout(f"libvirt is busy with this virtual machine: {words}")
        if code == Code.NO_SUPPORT:
            return NotSupported(f"This host's libvirt cannot do that: {words}")
        return ActionRefused(f"libvirt refused: {words}")


def _is_occupied(domain: Any) -> bool:
    """Whether its QEMU has been silent for a while: from libvirt 11 on, reading the XML waits until a question to it is answered.

    What libvirt knows of that is asked without a word to QEMU (source: ``virDomainGetControlInfo``).
    """
    while True:
        try:
            state, _, milliseconds = domain.controlInfo()
        except LibvirtError as error:
            let_go(error)
            return False  # it stopped meanwhile, or this libvirt cannot tell
        if state != Control.OCCUPIED or milliseconds >= OCCUPIED_MILLISECONDS:
            return bool(state == Control.OCCUPIED)
        time.sleep(POLL_SECONDS)


def _next_start(text: str, planned: str) -> Resources | None:
    """What a running domain will start with by the document `planned`, where that is not what it has by `text`."""
    live, then = DomainDocument(text).limits, DomainDocument(planned).limits
    if live == then:
        return None
    return Resources(
        vcpus=then.vcpus,
        vcpus_max=then.vcpus_max,
        memory_bytes=then.memory_bytes,
        memory_max_bytes=then.memory_max_bytes,
    )


def _outline(domain: Any, state: DomainState, reason: str, *, is_persistent: bool = True) -> Domain:
    """What is known of a domain without its description."""
    return Domain(
        uuid=uuid.UUID(bytes=domain.UUID()),
        name=domain.name(),
        state=state,
        reason=reason,
        vcpus=0,
        memory_bytes=0,
        is_persistent=is_persistent,
        is_outline=True,
    )


def listed(listing: Callable[[], list[T]]) -> list[T]:
    """What `listing` returns; nothing where this libvirt has no such driver."""
    try:
        return listing()
    except LibvirtError as error:
        if error.get_error_code() != Code.NO_SUPPORT:
            raise
        return []
