"""The driver for real hosts, and the only file that imports libvirt.

:class:`LibvirtDriver` is what the agent uses. Beneath it, :class:`LibvirtWatch` is a connection that listens and
:class:`LibvirtSession` one that makes blocking calls, where libvirt's errors become ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

import libvirt

from eve_agent.errors import ActionRefused, AgentError, DomainOff, LibvirtAway, LibvirtTimeout, NoDisplay, NotSupported
from eve_agent.wire.domain import Domain, DomainState, StateAction
from eve_agent.wire.host import HostFacts

from .base import Screenshot
from .facts import read_facts
from .host import WatchListener
from .readings import capacities, clean_words, let_go, received
from .rules import is_already, not_found, refuse_impossible, refuse_screenless, vnc_display
from .states import state_of
from .threaded import ThreadedDriver
from .xml import DomainParts, DomainStatus, MalformedXml, read_domain

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

KEEPALIVE_SECONDS = 5
KEEPALIVE_MISSES = 3
"""A libvirtd that is silent for so many intervals is taken for dead, and every call that waits for it returns."""
SCREENSHOT_LIMIT_BYTES = 32 * 2**20
_SCREENSHOT_TYPES = ("image/png", "image/x-portable-pixmap")

_EVENTS = (
    *("LIFECYCLE", "REBOOT", "WATCHDOG", "IO_ERROR_REASON", "CONTROL_ERROR", "PMWAKEUP", "PMSUSPEND", "PMSUSPEND_DISK"),
    *("DEVICE_ADDED", "DEVICE_REMOVED", "DISK_CHANGE", "TRAY_CHANGE", "BLOCK_JOB_2", "BALLOON_CHANGE"),
    "METADATA_CHANGE",
)
"""What may change something that :class:`~eve_agent.wire.domain.Domain` tells."""

_log = logging.getLogger(__name__)


class LibvirtDriver(ThreadedDriver):
    """libvirt at `uri` (source: https://libvirt.org/uri.html), over its own connection, kept open while the agent runs."""

    def __init__(
        self,
        uri: str = "qemu:///system",
        *,
        call_timeout_seconds: float = 10.0,
        change_timeout_seconds: float = 60.0,
    ) -> None:
        super().__init__(
            LibvirtHypervisor(uri),
            call_timeout_seconds=call_timeout_seconds,
            change_timeout_seconds=change_timeout_seconds,
        )


class LibvirtHypervisor:
    """Opens connections to `uri` (see :class:`~eve_agent.driver.host.Hypervisor`)."""

    def __init__(self, uri: str) -> None:
        _start_event_thread()
        self._uri = uri
        self._capacities: dict[bytes, dict[str, int]] = {}

    def open_watch(self, listener: WatchListener) -> LibvirtWatch:
        """Raises LibvirtAway."""
        return LibvirtWatch(_connect(self._uri), listener)

    def open_session(self) -> LibvirtSession:
        """Raises LibvirtAway."""
        return LibvirtSession(_connect(self._uri), self._capacities)


def _connect(uri: str) -> libvirt.virConnect:
    """An open connection with keepalive, so that a stopped libvirtd is noticed. Raises LibvirtAway with libvirt's words."""
    try:
        connection = libvirt.open(uri)
        connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_MISSES)
    except libvirt.libvirtError as error:
        raise LibvirtAway(f"no connection to libvirt: {_words(error)}") from error
    return connection


class LibvirtWatch:
    """A connection that tells `listener` of changed domains, and of its own end. Raises LibvirtAway."""

    def __init__(self, connection: libvirt.virConnect, listener: WatchListener) -> None:
        self._connection = connection
        self._listener = listener
        self._callbacks: list[int] = []
        try:
            connection.registerCloseCallback(self._on_close, None)
            for name in _EVENTS:
                event = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
                self._callbacks.append(connection.domainEventRegisterAny(None, event, self._on_event, None))
        except libvirt.libvirtError as error:
            self.close()
            raise LibvirtAway(_words(error)) from error

    def close(self) -> None:
        """Callbacks hold the connection: without taking them back it would stay open for ever."""
        for callback in self._callbacks:
            with contextlib.suppress(libvirt.libvirtError):
                self._connection.domainEventDeregisterAny(callback)
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.unregisterCloseCallback()
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.close()

    def _on_close(self, _connection: libvirt.virConnect, reason: int, _opaque: object) -> None:
        words = {
            libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "libvirt closed the connection",
            libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "libvirt has been silent for too long",
        }
        self._listener.connection_lost(words.get(reason, "the connection to libvirt broke"))

    def _on_event(self, _connection: libvirt.virConnect, domain: libvirt.virDomain, *_details: object) -> None:
        self._listener.domain_changed(uuid.UUID(bytes=domain.UUID()))


def _translating(method: Callable[Concatenate[LibvirtSession, P], R]) -> Callable[Concatenate[LibvirtSession, P], R]:
    """Raises an AgentError for what libvirt raises."""

    def call(self: LibvirtSession, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except libvirt.libvirtError as error:
            let_go(error)
            raise self._translated(error) from error
        except MalformedXml as error:
            let_go(error)
            raise AgentError(f"libvirt describes this in words that cannot be read: {error}") from error
        except AgentError as error:
            let_go(error)
            raise

    return functools.update_wrapper(call, method)


class LibvirtSession:
    """A connection for one thread's calls (see :class:`~eve_agent.driver.host.Session`).

    Args:
        connection: belongs to the session from now on.
        capacities: by domain (the bytes of its UUID) and disk target, in bytes; shared by all sessions, and changed by
            replacing a domain's whole entry.
    """

    def __init__(self, connection: libvirt.virConnect, capacities: dict[bytes, dict[str, int]]) -> None:
        self._connection = connection
        self._capacities = capacities

    def is_alive(self) -> bool:
        """Whether the connection is open, as far as the library knows."""
        try:
            return bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False

    def close(self) -> None:
        """Ends the connection; a second time does nothing."""
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.close()

    @_translating
    def facts(self) -> HostFacts:
        """What the host is."""
        return read_facts(
            self._connection,
            networks=_listed(self._connection.listAllNetworks),
            pools=_listed(self._connection.listAllStoragePools),
        )

    @_translating
    def domains(self) -> tuple[Domain, ...]:
        """All domains by name; one that vanishes meanwhile is left out."""
        connection = self._connection
        found = []
        for domain in connection.listAllDomains():
            try:
                found.append(self._listed(domain))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
        return tuple(sorted(found, key=lambda domain: (domain.name, domain.uuid)))

    @_translating
    def domain(self, domain_uuid: uuid.UUID) -> Domain:
        """One domain."""
        return self._parts(self._lookup(domain_uuid)).domain

    @_translating
    def measure_disks(self, domain_uuid: uuid.UUID | None) -> None:
        """Learns the disks' capacities (source: ``virConnectGetAllDomainStats``; of what is off, ``virDomainGetBlockInfo``)."""
        wanted = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_BLOCK
        flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        if domain_uuid is None:
            measured = self._connection.getAllDomainStats(wanted, flags)
            for gone in self._capacities.keys() - {domain.UUID() for domain, _ in measured}:
                self._capacities.pop(gone, None)
        else:
            measured = self._connection.domainListGetStats([self._lookup(domain_uuid)], wanted, flags)
        for domain, stats in measured:
            state, _ = state_of(stats.get("state.state", -1), -1)
            found = _image_capacities(domain, stats) if state is DomainState.OFF else capacities(stats)
            if found:  # nothing is known just now of a domain that is busy
                self._capacities[domain.UUID()] = found

    def _lookup(self, domain_uuid: uuid.UUID) -> libvirt.virDomain:
        return self._connection.lookupByUUID(domain_uuid.bytes)

    def _parts(self, domain: libvirt.virDomain) -> DomainParts:
        state, reason = state_of(*domain.state())
        status = DomainStatus(
            state=state,
            reason=reason,
            is_persistent=bool(domain.isPersistent()),
            is_autostarted=bool(domain.autostart()),
            disk_capacities=self._capacities.get(domain.UUID(), {}),
        )
        return read_domain(domain.XMLDesc(0), status)

    def _listed(self, domain: libvirt.virDomain) -> Domain:
        """The domain; where its XML cannot be read, what is known without: it must not hide everybody else's."""
        try:
            return self._parts(domain).domain
        except MalformedXml as error:
            name, (state, reason) = domain.name(), state_of(*domain.state())
            _log.warning("a domain's XML is unreadable", extra={"domain": name, "reason": str(error)})
            found = uuid.UUID(bytes=domain.UUID())
            return Domain(uuid=found, name=name, state=state, reason=reason, vcpus=0, memory_bytes=0)

    @_translating
    def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        """The domain after `action`; nothing is done where it is already so, also when somebody else was faster."""
        domain = self._lookup(domain_uuid)
        before = self._parts(domain).domain
        if is_already(action, before):
            return before
        refuse_impossible(action, before)
        try:
            _ACTIONS[action](domain, before)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
                raise
            now = self._after(domain, before)
            if not is_already(action, now):
                refuse_impossible(action, now)
                raise
            return now
        return self._after(domain, before)

    def _after(self, domain: libvirt.virDomain, before: Domain) -> Domain:
        """What it is now; of a transient domain that ended, what is left to tell."""
        try:
            return self._parts(domain).domain
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN or before.is_persistent:
                raise
            return dataclasses.replace(before, state=DomainState.OFF, reason="destroyed")

    @_translating
    def ask_guest_agent(self, domain_uuid: uuid.UUID, action: StateAction) -> bool:
        """Asks the agent in the guest; false where none has its channel open, the guest is not running, or it refuses."""
        domain = self._lookup(domain_uuid)
        parts = self._parts(domain)
        if not parts.has_guest_agent or parts.domain.state is not DomainState.RUNNING:
            return False
        try:
            if action is StateAction.REBOOT:
                domain.reboot(libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT)
            else:
                domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
        except libvirt.libvirtError as error:
            if not self.is_alive():
                raise
            _log.info("the guest's agent did not take it", extra={"domain": str(domain_uuid), "reason": _words(error)})
            return False
        return True

    @_translating
    def open_display(self, domain_uuid: uuid.UUID) -> socket.socket:
        """A socket to the first VNC device, past its password (source: ``virDomainOpenGraphicsFD``)."""
        domain = self._lookup(domain_uuid)
        with self._off_is_named(domain):
            seen = self._parts(domain).domain
            index = vnc_display(seen).index
            display = socket.socket(fileno=domain.openGraphicsFD(index, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH))
        display.setblocking(False)
        return display

    @_translating
    def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot:
        """The first screen (source: ``virDomainScreenshot``), 32 MiB at most."""
        domain = self._lookup(domain_uuid)
        with self._off_is_named(domain):
            parts = self._parts(domain)
            refuse_screenless(parts.domain)
            if not parts.has_screen:
                raise NoDisplay(f"“{parts.domain.name}” has no video device.")
            stream = self._connection.newStream(0)
            content_type = domain.screenshot(stream, 0, 0)
            if content_type not in _SCREENSHOT_TYPES:
                stream.abort()
                raise ActionRefused(f"libvirt took a picture of a kind that is not known ({content_type}).")
            return Screenshot(content_type=content_type, data=received(stream, limit_bytes=SCREENSHOT_LIMIT_BYTES))

    @contextlib.contextmanager
    def _off_is_named(self, domain: libvirt.virDomain) -> Iterator[None]:
        """A refusal because the domain stopped meanwhile is DomainOff."""
        try:
            yield
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and not domain.isActive():
                raise DomainOff(f"“{domain.name()}” was switched off just now.") from error
            raise

    def _translated(self, error: libvirt.libvirtError) -> AgentError:
        """`error` in the agent's terms. A dead connection shows in many codes, so it is asked for first."""
        code, words = error.get_error_code(), _words(error)
        if not self.is_alive():
            return LibvirtAway(f"libvirt went away: {words}")
        if code == libvirt.VIR_ERR_NO_DOMAIN:
            return not_found()
        if code == libvirt.VIR_ERR_OPERATION_TIMEOUT:
            return LibvirtTimeout(f"libvirt is busy with this virtual machine: {words}")
        if code == libvirt.VIR_ERR_NO_SUPPORT:
            return NotSupported(f"This host's libvirt cannot do that: {words}")
        return ActionRefused(f"libvirt refused: {words}")


_ACTIONS: dict[StateAction, Callable[[libvirt.virDomain, Domain], object]] = {
    StateAction.START: lambda domain, _: domain.create(),
    StateAction.SHUTDOWN: lambda domain, _: domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN),
    StateAction.STOP: lambda domain, _: domain.destroy(),
    StateAction.REBOOT: lambda domain, _: domain.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN),
    StateAction.RESET: lambda domain, _: domain.reset(),
    StateAction.SUSPEND: lambda domain, _: domain.suspend(),
    StateAction.RESUME: lambda domain, before: (
        domain.pMWakeup() if before.state is DomainState.SLEEPING else domain.resume()
    ),
}


def _words(error: libvirt.libvirtError) -> str:
    return clean_words(str(error.get_error_message() or error))


def _listed(listing: Callable[[], list[T]]) -> list[T]:
    """What `listing` returns; nothing where this libvirt has no such driver."""
    try:
        return listing()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return []


def _image_capacities(domain: libvirt.virDomain, stats: Mapping[str, Any]) -> dict[str, int]:
    """Bytes by disk target, of a domain that is off: of the images that are there and local."""
    found = {}
    for index in range(stats.get("block.count", 0)):
        target, path = stats[f"block.{index}.name"], stats.get(f"block.{index}.path", "")
        if path.startswith("/"):
            with contextlib.suppress(libvirt.libvirtError):
                found[target] = domain.blockInfo(target)[0]
    return found


@functools.cache
def _start_event_thread() -> None:
    """Starts libvirt's own event loop, which is one for the whole process and has to be there before a connection opens."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it would print every error to stderr
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run_events, name="libvirt events", daemon=True).start()


def _run_events() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            _log.exception("libvirt's event loop failed")
            time.sleep(1)
