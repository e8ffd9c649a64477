"""What is known of the inside of a guest, and what its agent can be asked for. Since version 2."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from dataclasses import dataclass, field

from .checks import check_length, check_range, check_user_name

MAX_FREEZE_SECONDS = 60
"""A guest whose file systems are frozen stands still, so no freeze lasts longer, whatever becomes of Eve and the agent."""


class AddressSource(enum.StrEnum):
    """Who told an address."""

    AGENT = "agent"
    """The agent in the guest."""
    LEASE = "lease"
    """The DHCP server of a libvirt network."""
    ARP = "arp"
    """The host's neighbour table."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GuestAddress:
    """An IP address of a guest, without loopback."""

    address: str
    """IPv4 or IPv6, as text."""
    prefix: int
    """Length of the network's prefix in bits; 0 where it is not known."""
    mac: str = ""
    """Of the card; empty where it is not known."""
    interface: str = ""
    """The interface's name in the guest; empty where its agent did not tell."""
    source: AddressSource = AddressSource.AGENT


@dataclass(frozen=True, slots=True)
class GuestInfo:
    """What ``GET /libvirt/domains/{uuid}/guest`` answers. All of it is the guest's own word."""

    has_agent: bool
    """Whether an agent in the guest answered."""
    host_name: str = ""
    os_name: str = ""
    """Such as ``Debian GNU/Linux 12 (bookworm)``."""
    os_id: str = ""
    """Such as ``debian``."""
    kernel: str = ""
    addresses: tuple[GuestAddress, ...] = ()
    """By the agent where it is there, which knows them all; else by leases, and then what else the host's neighbours show."""


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """Body of ``PUT …/guest/password``; the answer is :class:`GuestDone`. Never logged."""

    user: str
    """An account that the guest has."""
    password: str = field(repr=False)
    """1 to 1024 bytes."""
    operation_id: uuid.UUID | None = None

    def __post_init__(self) -> None:
        check_user_name(self.user)
        if not self.password:
            raise ValueError("password: empty")
        check_length("password", self.password, limit_bytes=1024)


@dataclass(frozen=True, slots=True)
class FreezeRequest:
    """Body of ``POST …/guest/freeze``; the answer is a :class:`FreezeStatus`.

    The guest thaws by itself after `seconds`, also when the agent is killed meanwhile.
    """

    seconds: int = 30
    operation_id: uuid.UUID | None = None

    def __post_init__(self) -> None:
        check_range("seconds", self.seconds, low=1, high=MAX_FREEZE_SECONDS)


@dataclass(frozen=True, slots=True)
class ThawRequest:
    """Body of ``POST …/guest/thaw``; the answer is a :class:`FreezeStatus`. Thawing what is not frozen succeeds."""

    operation_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class FreezeStatus:
    """Whether a guest's file systems are frozen."""

    is_frozen: bool
    filesystems: int = 0
    """How many were frozen or thawed by this request."""
    thaws_at: dt.datetime | None = None
    """When it thaws by itself."""


@dataclass(frozen=True, slots=True)
class GuestDone:
    """The guest's agent did what it was asked."""

    domain_uuid: uuid.UUID
