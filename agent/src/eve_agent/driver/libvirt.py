"""The driver for real hosts, and the only file that imports libvirt.

:class:`LibvirtHost` is one open connection: blocking, thread-safe, and the place where libvirt's errors become ours.
:class:`LibvirtDriver` puts it behind the agent's asyncio Protocol.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec, TypeVar

import libvirt  # type: ignore[import-untyped]

from eve_agent.errors import ActionRefused, AgentError, DomainOff, LibvirtAway, LibvirtTimeout, NoDisplay, NotSupported
from eve_agent.wire.domain import Domain, DomainState, StateAction
from eve_agent.wire.host import HostFacts

from .base import Screenshot
from .facts import read_facts
from .host import HostListener
from .readings import capacities, clean_words, received
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
            functools.partial(LibvirtHost, uri),
            call_timeout_seconds=call_timeout_seconds,
            change_timeout_seconds=change_timeout_seconds,
        )


def _in_use(method: Callable[Concatenate[LibvirtHost, P], R]) -> Callable[Concatenate[LibvirtHost, P], R]:
    """Keeps the connection open during the call, and raises an AgentError for what libvirt raises."""

    def call(self: LibvirtHost, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._use():
            try:
                return method(self, *args, **kwargs)
            except libvirt.libvirtError as error:
                _let_go(error)
                raise self._translated(error) from error
            except MalformedXml as error:
                _let_go(error)
                raise AgentError(f"libvirt describes this in words that cannot be read: {error}") from error
            except AgentError as error:
                _let_go(error)
                raise

    return functools.update_wrapper(call, method)


def _let_go(error: BaseException | None) -> None:
    """Clears the frames that `error` holds: libvirt's handles in them, freed later on the event loop, could block it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__


class LibvirtHost:
    """One open connection, kept by :class:`~eve_agent.driver.host.BlockingHost`.

    Raises:
        LibvirtAway: from the constructor, with libvirt's words for why.
    """

    def __init__(self, uri: str, listener: HostListener) -> None:
        _start_event_thread()
        self._listener = listener
        self._lock = threading.Lock()
        self._users = 0
        self._is_closing = False
        self._callbacks: list[int] = []
        try:
            self._connection = libvirt.open(uri)
        except libvirt.libvirtError as error:
            raise LibvirtAway(_words(error)) from error
        try:
            self._connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_MISSES)
            self._connection.registerCloseCallback(self._on_close, None)
            for name in _EVENTS:
                event = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
                self._callbacks.append(self._connection.domainEventRegisterAny(None, event, self._on_event, None))
        except libvirt.libvirtError as error:
            self.close()
            raise LibvirtAway(_words(error)) from error

    @contextlib.contextmanager
    def _use(self) -> Iterator[None]:
        with self._lock:
            if self._is_closing:
                raise LibvirtAway("the connection to libvirt was closed")
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                is_last = self._is_closing and self._users == 0
            if is_last:
                self._disconnect()

    def close(self) -> None:
        """Ends the connection; where calls are still under way, the last of them does so when it returns."""
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
            is_idle = self._users == 0
        if is_idle:
            self._disconnect()

    def _disconnect(self) -> None:
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

    @_in_use
    def facts(self) -> HostFacts:
        """What the host is."""
        return read_facts(
            self._connection,
            networks=_listed(self._connection.listAllNetworks),
            pools=_listed(self._connection.listAllStoragePools),
        )

    @_in_use
    def domains(self) -> tuple[Domain, ...]:
        """All domains by name; one that vanishes meanwhile is left out."""
        connection = self._connection
        persistent = {
            domain.UUID() for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)
        }
        autostarted = {
            domain.UUID() for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
        }
        stats_wanted = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_BLOCK
        found = []
        for domain, stats in connection.getAllDomainStats(
            stats_wanted, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        ):
            state, reason = state_of(stats.get("state.state", -1), stats.get("state.reason", -1))
            status = DomainStatus(
                state=state,
                reason=reason,
                is_persistent=domain.UUID() in persistent,
                is_autostarted=domain.UUID() in autostarted,
                disk_capacities=capacities(stats),
            )
            try:
                found.append(_with_capacities(domain, read_domain(domain.XMLDesc(0), status), status).domain)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
            except MalformedXml as error:
                # One owner's metadata must not hide everybody's machines.
                _log.warning(
                    "a domain's XML cannot be read", extra={"domain": domain.UUIDString(), "reason": str(error)}
                )
                found.append(
                    Domain(
                        uuid=uuid.UUID(bytes=domain.UUID()), name=domain.name(), state=state, vcpus=0, memory_bytes=0
                    )
                )
        return tuple(sorted(found, key=lambda domain: (domain.name, domain.uuid)))

    @_in_use
    def domain(self, domain_uuid: uuid.UUID) -> Domain:
        """One domain."""
        return self._parts(self._lookup(domain_uuid)).domain

    def _lookup(self, domain_uuid: uuid.UUID) -> libvirt.virDomain:
        return self._connection.lookupByUUID(domain_uuid.bytes)

    def _parts(self, domain: libvirt.virDomain) -> DomainParts:
        state, reason = state_of(*domain.state())
        capacities_now: dict[str, int] = {}
        if state is not DomainState.OFF:
            for _, stats in self._connection.domainListGetStats(
                [domain], libvirt.VIR_DOMAIN_STATS_BLOCK, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
            ):
                capacities_now = capacities(stats)
        status = DomainStatus(
            state=state,
            reason=reason,
            is_persistent=bool(domain.isPersistent()),
            is_autostarted=bool(domain.autostart()),
            disk_capacities=capacities_now,
        )
        return _with_capacities(domain, read_domain(domain.XMLDesc(0), status), status)

    @_in_use
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

    @_in_use
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
            if not self._connection.isAlive():
                raise
            _log.info("the guest's agent did not take it", extra={"domain": str(domain_uuid), "reason": _words(error)})
            return False
        return True

    @_in_use
    def open_display(self, domain_uuid: uuid.UUID) -> socket.socket:
        """A socket to the first VNC device, past its password (source: ``virDomainOpenGraphicsFD``)."""
        domain = self._lookup(domain_uuid)
        with self._off_is_named(domain):
            seen = self._parts(domain).domain
            index = vnc_display(seen).index
            display = socket.socket(fileno=domain.openGraphicsFD(index, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH))
        display.setblocking(False)
        return display

    @_in_use
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
        if not _is_alive(self._connection):
            return LibvirtAway(f"libvirt went away: {words}")
        if code == libvirt.VIR_ERR_NO_DOMAIN:
            return not_found()
        if code == libvirt.VIR_ERR_OPERATION_TIMEOUT:
            return LibvirtTimeout(f"libvirt is busy with this virtual machine: {words}")
        if code == libvirt.VIR_ERR_NO_SUPPORT:
            return NotSupported(f"This host's libvirt cannot do that: {words}")
        return ActionRefused(f"libvirt refused: {words}")


def _is_alive(connection: libvirt.virConnect) -> bool:
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


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


def _with_capacities(domain: libvirt.virDomain, parts: DomainParts, status: DomainStatus) -> DomainParts:
    """`parts` with the sizes of its local disks while it is off, which the statistics do not have then."""
    if status.state is not DomainState.OFF:
        return parts
    disks = []
    for disk in parts.domain.disks:
        capacity_bytes = disk.capacity_bytes
        if not capacity_bytes and disk.source.startswith("/"):
            with contextlib.suppress(libvirt.libvirtError):  # the image is missing or unreadable: its size is not known
                capacity_bytes = domain.blockInfo(disk.target)[0]
        disks.append(dataclasses.replace(disk, capacity_bytes=capacity_bytes))
    return dataclasses.replace(parts, domain=dataclasses.replace(parts.domain, disks=tuple(disks)))


_event_thread_lock = threading.Lock()
_event_thread: threading.Thread | None = None


def _start_event_thread() -> None:
    """Starts libvirt's own event loop, which is one for the whole process and has to be there before a connection opens."""
    global _event_thread  # noqa: PLW0603  (libvirt's loop is as global)
    with _event_thread_lock:
        if _event_thread is not None:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it would print every error to stderr
        libvirt.virEventRegisterDefaultImpl()
        _event_thread = threading.Thread(target=_run_events, name="libvirt events", daemon=True)
        _event_thread.start()


def _run_events() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            _log.exception("libvirt's event loop failed")
            time.sleep(1)
