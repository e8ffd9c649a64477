"""A session: reads, states, displays, and all that its parts add."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from eve_agent.driver.base import Screenshot
from eve_agent.driver.facts import read_facts
from eve_agent.driver.readings import capacities, received
from eve_agent.driver.rules import (
    is_already,
    is_kept_still,
    refuse_impossible,
    refuse_lineless,
    refuse_screenless,
    refuse_typing,
    vnc_display,
)
from eve_agent.driver.states import state_of
from eve_agent.errors import ActionRefused, ConsoleBusy, NoDisplay
from eve_agent.wire.domain import Domain, DomainState, StateAction
from eve_agent.wire.host import HostFacts

from .binding import Code, Flag, LibvirtError, Stream, connect, words_of
from .calls import listed, translating
from .serial import SerialBridge
from .stats import StatsCalls

SCREENSHOT_LIMIT_BYTES = 32 * 2**20
_SCREENSHOT_TYPES = ("image/png", "image/x-portable-pixmap")
_log = logging.getLogger(__name__)


class LibvirtSession(StatsCalls):
    """A connection for one thread's calls (see :class:`~eve_agent.driver.host.Session`)."""

    @translating
    def facts(self) -> HostFacts:
        """What the host is."""
        return read_facts(
            self._connection,
            networks=listed(self._connection.listAllNetworks),
            pools=listed(self._connection.listAllStoragePools),
            is_kvm_used=self._virtualization.kind == "kvm",
        )

    @translating
    def domains(self) -> tuple[Domain, ...]:
        """All domains by name; one that vanishes meanwhile is left out."""
        connection = self._connection
        found: list[Domain] = []
        domains = connection.listAllDomains()
        for gone in self._seen.keys() - {domain.UUID() for domain in domains}:
            self._seen.pop(gone, None)
        readings = self._reader.read_all([(domain.UUID(), partial(self._listed, domain)) for domain in domains])
        for domain, told in zip(domains, readings, strict=True):
            found += (self._unread(domain),) if told is None else told
        return tuple(sorted(found, key=lambda domain: (domain.name, domain.uuid)))

    @translating
    def domain(self, domain_uuid: uuid.UUID) -> Domain:
        """One domain."""
        return self._domain(self._lookup(domain_uuid))

    @translating
    def measure_disks(self, domain_uuid: uuid.UUID | None) -> None:
        """Learns the disks' capacities (source: ``virConnectGetAllDomainStats``; of what is off, ``virDomainGetBlockInfo``)."""
        wanted = Flag.STATS_SIZES
        flags = Flag.STATS_NOWAIT
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

    @translating
    def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        """The domain after `action`; nothing is done where it is already so, also when somebody else was faster."""
        domain = self._lookup(domain_uuid)
        before = self._domain(domain)
        if is_already(action, before):
            return before
        refuse_impossible(action, before)
        try:
            _ACTIONS[action](domain, before)
        except LibvirtError as error:
            if error.get_error_code() not in (Code.OPERATION_INVALID, Code.NO_DOMAIN):
                raise
            now = self._after(domain, before)
            if not is_already(action, now):
                refuse_impossible(action, now)
                raise
            return now
        return self._after(domain, before)

    def _after(self, domain: Any, before: Domain) -> Domain:
        """What it is now; of a transient domain that ended, what is left to tell."""
        try:
            return self._domain(domain)
        except LibvirtError as error:
            if error.get_error_code() != Code.NO_DOMAIN or before.is_persistent:
                raise
            return dataclasses.replace(before, state=DomainState.OFF, reason="destroyed")

    @translating
    def ask_guest_agent(self, domain_uuid: uuid.UUID, action: StateAction) -> bool:
        """Asks the agent in the guest; false where none has its channel open, the guest is not running, or it refuses."""
        domain = self._lookup(domain_uuid)
        parts = self._parts(domain)
        if not parts.has_guest_agent or parts.domain.state is not DomainState.RUNNING:
            return False
        try:
            if action is StateAction.REBOOT:
                domain.reboot(Flag.REBOOT_AGENT)
            else:
                domain.shutdownFlags(Flag.SHUTDOWN_AGENT)
        except LibvirtError as error:
            if not self.is_alive():
                raise
            _log.info(
                "the guest's agent did not take it", extra={"domain": str(domain_uuid), "reason": words_of(error)}
            )
            return False
        return True

    @translating
    def open_display(self, domain_uuid: uuid.UUID) -> socket.socket:
        """A socket to the first VNC device, past its password (source: ``virDomainOpenGraphicsFD``)."""
        domain = self._lookup(domain_uuid)
        with self._off_is_named(domain):
            seen = self._parts(domain).domain
            index = vnc_display(seen).index
            display = socket.socket(fileno=domain.openGraphicsFD(index, Flag.GRAPHICS_SKIPAUTH))
        display.setblocking(False)
        return display

    @translating
    def open_serial(self, domain_uuid: uuid.UUID, *, is_forced: bool) -> socket.socket:
        """A socket to the first serial line, which one viewer holds at a time (source: ``virDomainOpenConsole``)."""
        seen = self._parts(self._lookup(domain_uuid)).domain
        refuse_lineless(seen)
        connection = connect(self._uri)
        try:
            domain = connection.lookupByUUID(domain_uuid.bytes)
            stream = connection.newStream(Stream.NONBLOCK)
            with self._off_is_named(domain):
                domain.openConsole(None, stream, Flag.CONSOLE_FORCE if is_forced else 0)
            return SerialBridge(connection, stream).open()
        except LibvirtError as error:
            connection.close()
            if error.get_error_code() == Code.OPERATION_FAILED and not is_forced:
                raise ConsoleBusy(f"Somebody else holds the serial line of “{seen.name}”.") from error
            raise

    @translating
    def press_keys(self, domain_uuid: uuid.UUID, keys: tuple[int, ...], hold_ms: int) -> None:
        """Presses keys (source: ``virDomainSendKey``)."""
        domain = self._lookup(domain_uuid)
        with self._off_is_named(domain):
            if state_of(*domain.state())[0] is not DomainState.RUNNING:  # QEMU would drop the keys without a word
                refuse_typing(self._parts(domain).domain)
            domain.sendKey(Flag.KEYS_LINUX, hold_ms, list(keys), len(keys), 0)

    @translating
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


def _start(domain: Any, before: Domain) -> None:
    """What crashed and is kept is cleared away first, so that it starts with what it was given since; a transient one is reset."""
    if before.state is not DomainState.OFF:
        if not before.is_persistent:
            _reset(domain, before)
            return
        domain.destroy()
    domain.create()


def _reset(domain: Any, before: Domain) -> None:
    """A guest that libvirt stopped because it crashed or hung stays stopped over a reset, until it is told to run."""
    domain.reset()
    if is_kept_still(before):
        domain.resume()


_ACTIONS: dict[StateAction, Callable[[Any, Domain], object]] = {
    StateAction.START: _start,
    StateAction.SHUTDOWN: lambda domain, _: domain.shutdownFlags(Flag.SHUTDOWN_ACPI),
    StateAction.STOP: lambda domain, _: domain.destroy(),
    StateAction.REBOOT: lambda domain, _: domain.reboot(Flag.REBOOT_ACPI),
    StateAction.RESET: _reset,
    StateAction.SUSPEND: lambda domain, _: domain.suspend(),
    StateAction.RESUME: lambda domain, before: (
        domain.pMWakeup() if before.state is DomainState.SLEEPING else domain.resume()
    ),
}


def _image_capacities(domain: Any, stats: Mapping[str, Any]) -> dict[str, int]:
    """Bytes by disk target, of a domain that is off: of the images that are there and local."""
    found = {}
    for index in range(stats.get("block.count", 0)):
        target, path = stats[f"block.{index}.name"], stats.get(f"block.{index}.path", "")
        if path.startswith("/"):
            with contextlib.suppress(LibvirtError):
                found[target] = domain.blockInfo(target)[0]
    return found
