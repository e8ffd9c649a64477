"""What hosts report of a domain, made fit to be kept and shown.

A host may be hostile, and so may a guest's name: texts are bounded and lose everything that is not printable (control
characters, terminal escapes, bidirectional overrides, lone surrogates; what joins emoji stays), numbers fit the database, lists end somewhere.
"""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
from typing import Any, TypeVar

from eve_agent.wire import codec
from eve_agent.wire.domain import Domain, DomainState, Graphics, Resources
from eve_agent.wire.guest import GuestInfo

from common.sentences import gettext as _
from common.sentences import shown

T = TypeVar("T")

CDROM = "cdrom"
"""A CD drive, among devices and among what is booted from."""
MAX_TEXT = 255
MAX_ITEMS = 64
"""Disks, NICs or displays that are kept of one domain."""
MAX_NUMBER = 2**63 - 1
MAX_VCPUS = 2**31 - 1


def clean_text(text: str, *, most: int = MAX_TEXT) -> str:
    """`text` without what is no part of a name, at most `most` characters long."""
    return shown(text[: most * 2])[:most].strip()


def clean_domain(domain: Domain) -> Domain:
    """The same domain, fit to be kept."""
    clean: Domain = _clean(domain)
    return dataclasses.replace(
        clean,
        name=clean.name or str(domain.uuid),
        vcpus=min(clean.vcpus, MAX_VCPUS),
        vcpus_max=min(clean.vcpus_max, MAX_VCPUS),
    )


def clean_guest(info: GuestInfo) -> GuestInfo:
    """The same, fit to be kept: what a guest says of itself is anybody's word. Addresses that are none are left out."""
    clean: GuestInfo = _clean(info)
    return dataclasses.replace(clean, addresses=tuple(each for each in clean.addresses if _is_address(each.address)))


def guest_of(plain: dict[str, Any]) -> GuestInfo | None:
    """The guest in a row's ``guest``; None where nothing is known of it."""
    if not plain:
        return None
    try:
        return codec.from_plain(GuestInfo, plain)
    except codec.DecodeError:
        return None


def needs_restart(now: Domain | Resources, then: Resources) -> bool:
    """Whether a running guest gets what it is to have at its next start only. Room to grow is no news, and within it memory is the balloon's matter."""
    is_ballooned = then.memory_max_bytes == now.memory_max_bytes
    has_other_memory = then.memory_bytes != now.memory_bytes and not is_ballooned
    return then.vcpus != now.vcpus or has_other_memory


def domain_of(facts: dict[str, Any]) -> Domain | None:
    """The domain in a row's ``facts``; None where the host has not reported it yet."""
    if not facts:
        return None
    try:
        return codec.from_plain(Domain, facts)
    except codec.DecodeError:
        return None


def is_off(facts: dict[str, Any]) -> bool:
    """Whether a row's ``facts`` say that it runs no more. Lists ask it of each of their rows, so that the rest is left unread."""
    return facts.get("state") == DomainState.OFF


def boot_devices(domain: Domain | None) -> list[str]:
    """What it booted from, the first first: ids of disks that Eve made, MAC addresses of cards, ``cdrom``."""
    if domain is None:
        return []
    disks = [
        (disk.boot_order, CDROM if disk.device == CDROM else str(disk.uuid))
        for disk in domain.disks
        if disk.uuid or disk.device == CDROM
    ]
    nics = [(nic.boot_order, nic.mac) for nic in domain.nics]
    return [name for order, name in sorted(disks + nics) if order]


def exposed_displays(domain: Domain | None) -> tuple[Graphics, ...]:
    """The displays that listen beyond loopback: anybody who reaches the host may try their passwords there."""
    return tuple(each for each in domain.graphics if each.is_exposed) if domain else ()


def display_warnings(name: str, facts: dict[str, Any]) -> list[str]:
    """What whoever looks after the VM should mind about its displays."""
    if not exposed_displays(domain_of(facts)):
        return []
    warning = _(
        "The display of %(name)s listens beyond loopback, where anybody may try its password. "
        "Eve does not need that: set its listen type to none."
    )
    return [warning % {"name": name}]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _clean(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclasses.fields(value))
        return dataclasses.replace(value, **{name: _clean(getattr(value, name)) for name in names})
    if isinstance(value, enum.Enum | bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int):
        return max(0, min(value, MAX_NUMBER))
    if isinstance(value, tuple):
        return tuple(_clean(item) for item in value[:MAX_ITEMS])
    return value
