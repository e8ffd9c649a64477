"""Guests' insides in a session: by the agent in the guest, else by what the host sees of them."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from eve_agent.driver.neighbours import Neighbour, neighbours
from eve_agent.driver.readings import clean_words
from eve_agent.driver.rules import refuse_without_agent
from eve_agent.errors import GuestRefused, NoGuestAgent
from eve_agent.wire.domain import DomainState
from eve_agent.wire.guest import AddressSource, FreezeStatus, GuestAddress, GuestInfo

from .binding import Code, Flag, LibvirtError, words_of
from .calls import translating
from .changes import ChangeCalls
from .watchdog import watchdogs

AGENT_SECONDS = 5
"""How long the agent in a guest may take to answer."""
_NO_ANSWER = (Code.AGENT_UNRESPONSIVE, Code.AGENT_UNSYNCED, Code.AGENT_LATE, Code.OPERATION_TIMEOUT)
_MAX_ADDRESSES = 64
_log = logging.getLogger(__name__)


class GuestCalls(ChangeCalls):
    """See :class:`~eve_agent.driver.host.Session`."""

    @translating
    def guest_info(self, domain_uuid: uuid.UUID) -> GuestInfo:
        """What is known of the guest."""
        domain = self._lookup(domain_uuid)
        parts = self._parts(domain)
        if parts.domain.state is DomainState.OFF:
            return GuestInfo(has_agent=False)
        if parts.has_guest_agent and parts.domain.state is DomainState.RUNNING:
            with contextlib.suppress(NoGuestAgent, GuestRefused), self._agent_of(domain):
                told = domain.guestInfo(Flag.GUEST_INFO, 0)
                return _told(told, _addresses(domain, Flag.ADDRESSES_AGENT, AddressSource.AGENT))
        return GuestInfo(has_agent=False, addresses=_seen_from_outside(domain, parts.bridges))

    @translating
    def set_password(self, domain_uuid: uuid.UUID, user: str, password: str) -> None:
        """Has the guest's agent set it."""
        with self._asked(domain_uuid) as domain:
            domain.setUserPassword(user, password, 0)

    @translating
    def freeze(self, domain_uuid: uuid.UUID, seconds: int) -> FreezeStatus:
        """Freezes file systems; a process of its own thaws them in time, whatever becomes of this one."""
        if (ends_at := watchdogs.ends_at(domain_uuid)) is not None:
            return FreezeStatus(is_frozen=True, thaws_at=ends_at)
        with self._asked(domain_uuid) as domain:
            ends_at = watchdogs.start(self._uri, domain_uuid, seconds)
            try:
                count = domain.fsFreeze(None, 0)
            except LibvirtError:
                try:
                    domain.fsThaw(None, 0)
                except LibvirtError:
                    # With much to write first, it may freeze when nobody waits for it any more.
                    watchdogs.doubt(domain_uuid)
                else:
                    watchdogs.stop(domain_uuid)
                raise
        return FreezeStatus(is_frozen=True, filesystems=count, thaws_at=ends_at)

    @translating
    def thaw(self, domain_uuid: uuid.UUID) -> FreezeStatus:
        """Thaws file systems."""
        with self._asked(domain_uuid) as domain:
            count = domain.fsThaw(None, 0)
        watchdogs.stop(domain_uuid)
        return FreezeStatus(is_frozen=False, filesystems=count)

    @contextlib.contextmanager
    def _asked(self, domain_uuid: uuid.UUID) -> Iterator[Any]:
        domain = self._lookup(domain_uuid)
        parts = self._parts(domain)
        refuse_without_agent(parts.domain, has_agent=parts.has_guest_agent)
        with self._agent_of(domain):
            yield domain

    @contextlib.contextmanager
    def _agent_of(self, domain: Any) -> Iterator[None]:
        """Raises NoGuestAgent where it does not answer in time, GuestRefused where it will not."""
        try:
            domain.agentSetResponseTimeout(AGENT_SECONDS, 0)
            yield
        except LibvirtError as error:
            code = error.get_error_code()
            if not self.is_alive() or code == Code.NO_DOMAIN:
                raise
            if code in _NO_ANSWER:
                raise NoGuestAgent("The agent in the guest does not answer; is the guest still booting?") from error
            raise GuestRefused(f"The agent in the guest refused: {words_of(error)}") from error


def _told(told: Mapping[str, Any], addresses: tuple[GuestAddress, ...]) -> GuestInfo:
    def text(name: str) -> str:
        return clean_words(str(told.get(name, "")))

    return GuestInfo(
        has_agent=True,
        host_name=text("hostname"),
        os_name=text("os.pretty-name"),
        os_id=text("os.id"),
        kernel=text("os.kernel-release"),
        addresses=addresses,
    )


def _addresses(domain: Any, flag: int, source: AddressSource) -> tuple[GuestAddress, ...]:
    found = []
    for interface, details in domain.interfaceAddresses(flag, 0).items():
        if clean_words(interface) == "lo":
            continue
        found += [
            GuestAddress(
                address=clean_words(str(entry["addr"])),
                prefix=int(entry.get("prefix", 0)),
                mac=clean_words(str(details.get("hwaddr") or "")).lower(),
                interface=clean_words(interface) if source is AddressSource.AGENT else "",
                source=source,
            )
            for entry in details.get("addrs") or ()
        ]
    return tuple(found[:_MAX_ADDRESSES])


def _seen_from_outside(domain: Any, bridges: Mapping[str, str]) -> tuple[GuestAddress, ...]:
    """Its leases, and what else answers at its cards in the host's bridges, be it an address that it gave itself."""
    found: tuple[GuestAddress, ...] = ()
    with contextlib.suppress(LibvirtError):
        found = _addresses(domain, Flag.ADDRESSES_LEASE, AddressSource.LEASE)
    leased = {(each.mac, each.address) for each in found}
    answering = [
        GuestAddress(address=each.address, prefix=0, mac=each.mac, source=AddressSource.ARP)
        for bridge in sorted(set(bridges.values()))
        for each in _neighbours(bridge)
        if bridges.get(each.mac) == bridge and (each.mac, each.address) not in leased
    ]
    return (*found, *answering)[:_MAX_ADDRESSES]


def _neighbours(bridge: str) -> tuple[Neighbour, ...]:
    try:
        return neighbours(bridge)
    except OSError as error:
        _log.warning("the host's neighbours are not told", extra={"bridge": bridge, "reason": str(error)})
        return ()
