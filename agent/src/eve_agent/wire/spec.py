"""What Eve wants a domain to be, and changes of it. All of it since version 2.

The answer to each request is the :class:`~eve_agent.wire.domain.Domain` after it, but for ``DELETE /libvirt/domains/{uuid}``
(:class:`~eve_agent.wire.storage.Deleted`) and ``…/resources`` (:class:`ResourcesStatus`). A change that is already true succeeds
without doing anything.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from uuid import UUID

from .checks import (
    MAX_VCPUS,
    check_disk_size,
    check_domain_name,
    check_mac,
    check_memory,
    check_object_name,
    check_range,
    check_title,
)
from .domain import Resources

MAX_DISKS = 24
MAX_NICS = 24


class Firmware(enum.StrEnum):
    """What boots a domain."""

    BIOS = "bios"
    UEFI = "uefi"


class DiskBus(enum.StrEnum):
    """How a disk appears to the guest."""

    VIRTIO = "virtio"
    SCSI = "scsi"
    """virtio-scsi."""
    SATA = "sata"
    """For guests without virtio drivers. Cannot be attached or detached while the guest runs."""


class NicModel(enum.StrEnum):
    """How a network card appears to the guest."""

    VIRTIO = "virtio"
    E1000E = "e1000e"
    """For guests without virtio drivers."""


class NicKind(enum.StrEnum):
    """What a network card is plugged into."""

    NETWORK = "network"
    """A libvirt network."""
    BRIDGE = "bridge"
    """A bridge of the host."""


@dataclass(frozen=True, slots=True)
class DiskSlot:
    """A disk of a domain. Body of ``PUT /libvirt/domains/{uuid}/disks/{disk}``, which attaches it: at once where the guest runs."""

    disk_uuid: UUID
    pool: str
    bus: DiskBus = DiskBus.VIRTIO
    boot_order: int = 0
    """1 is first; 0: it is not booted from."""
    operation_id: UUID | None = None

    def __post_init__(self) -> None:
        check_object_name("pool", self.pool)
        check_range("boot_order", self.boot_order, low=0, high=99)


@dataclass(frozen=True, slots=True)
class NicSlot:
    """A network card of a domain. Body of ``PUT /libvirt/domains/{uuid}/nics/{mac}``, which attaches it: at once where the guest runs."""

    mac: str
    source: str
    """Name of the network or bridge."""
    kind: NicKind = NicKind.NETWORK
    model: NicModel = NicModel.VIRTIO
    boot_order: int = 0
    """1 is first; 0: it is not booted from."""
    operation_id: UUID | None = None

    def __post_init__(self) -> None:
        check_mac(self.mac)
        check_object_name("source", self.source)
        check_range("boot_order", self.boot_order, low=0, high=99)


@dataclass(frozen=True, slots=True)
class CdromSlot:
    """The CD drive of a domain. Body of ``PUT /libvirt/domains/{uuid}/cdrom``, which inserts or ejects.

    There is one drive for people; that of the seed is another, and no concern of theirs.
    """

    pool: str = ""
    """Of the image; empty without one."""
    image_uuid: UUID | None = None
    """A ``raw`` image; None: the drive is empty."""
    boot_order: int = 0
    """1 is first; 0: it is not booted from. Told when the domain is defined; a later change of the disc leaves it as it is."""
    operation_id: UUID | None = None

    def __post_init__(self) -> None:
        if (self.image_uuid is None) != (not self.pool):
            raise ValueError("pool, image_uuid: both or none")
        if self.pool:
            check_object_name("pool", self.pool)
        check_range("boot_order", self.boot_order, low=0, high=99)


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """Body of ``PUT /libvirt/domains/{uuid}``: defines it, and does not start it.

    A domain of that UUID that Eve made is left as it is; one that Eve did not make is refused (DOMAIN_EXISTS), and so is a name
    that another domain has (NAME_TAKEN). Displays listen on nothing; there are a serial console, a guest agent's channel and a
    source of randomness.
    """

    uuid: UUID
    name: str
    """libvirt's name, free of collisions: Eve's name, a dash, and the first eight digits of the UUID."""
    vcpus: int
    memory_bytes: int
    """32 MiB to 16 TiB, in whole KiB, and no more than the host has."""
    title: str = ""
    """One line for people."""
    vcpus_max: int = 0
    """How many it may be given while it runs, cut to what the host has; 0: as `vcpus`."""
    memory_max_bytes: int = 0
    """How much it may be given while it runs, cut to what the host has; 0: as `memory_bytes`."""
    firmware: Firmware = Firmware.BIOS
    disks: tuple[DiskSlot, ...] = ()
    nics: tuple[NicSlot, ...] = ()
    cdrom: CdromSlot = CdromSlot()
    seed_pool: str = ""
    """The pool that holds its seed; empty: it has none."""
    is_autostarted: bool = False
    """Whether it starts with the host."""
    operation_id: UUID | None = None

    def __post_init__(self) -> None:
        check_domain_name(self.name)
        check_title(self.title)
        _check_resources(self)
        check_range("disks", len(self.disks), low=0, high=MAX_DISKS)
        check_range("nics", len(self.nics), low=0, high=MAX_NICS)
        if self.seed_pool:
            check_object_name("seed_pool", self.seed_pool)
        _check_distinct("disks", [disk.disk_uuid for disk in self.disks])
        _check_distinct("nics", [nic.mac for nic in self.nics])
        _check_distinct("boot_order", [slot.boot_order for slot in self._slots() if slot.boot_order])

    def _slots(self) -> tuple[DiskSlot | NicSlot | CdromSlot, ...]:
        return (*self.disks, *self.nics, self.cdrom)


@dataclass(frozen=True, slots=True)
class PoolDisk:
    """A disk by pool and id."""

    pool: str
    disk_uuid: UUID

    def __post_init__(self) -> None:
        check_object_name("pool", self.pool)


@dataclass(frozen=True, slots=True)
class DomainDelete:
    """Body of ``DELETE /libvirt/domains/{uuid}``: stops it, forgets it with firmware variables and snapshots' records.

    A domain that Eve did not make is refused (NOT_MADE_BY_EVE). What is gone already is passed over.
    """

    disks: tuple[PoolDisk, ...] = ()
    """Deleted with it; a disk that is not named is kept."""
    seed_pool: str = ""
    """The pool that holds its seed, which is deleted; empty: it has none."""
    operation_id: UUID | None = None

    def __post_init__(self) -> None:
        if self.seed_pool:
            check_object_name("seed_pool", self.seed_pool)


@dataclass(frozen=True, slots=True)
class ResourcesChange:
    """Body of ``PUT …/resources``. What a running guest cannot be given at once it gets at its next start."""

    vcpus: int
    memory_bytes: int
    vcpus_max: int = 0
    """0: as it is, or as `vcpus` where that is more."""
    memory_max_bytes: int = 0
    """0: as it is, or as `memory_bytes` where that is more."""
    operation_id: UUID | None = None

    def __post_init__(self) -> None:
        _check_resources(self)


@dataclass(frozen=True, slots=True)
class ResourcesStatus:
    """What ``PUT …/resources`` answers."""

    next_start: Resources
    live: Resources | None = None
    """Of the running guest; None while it is off."""


@dataclass(frozen=True, slots=True)
class DiskSize:
    """Body of ``PUT /libvirt/domains/{uuid}/disks/{disk}/size``: grows a disk of the domain, at once where the guest runs."""

    size_bytes: int
    operation_id: UUID | None = None

    def __post_init__(self) -> None:
        check_disk_size("size_bytes", self.size_bytes)


@dataclass(frozen=True, slots=True)
class DeviceDetach:
    """Body of ``DELETE …/disks/{disk}`` and ``…/nics/{mac}``: at once where the guest runs and lets go, else refused. Bytes are kept."""

    operation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class BootOrder:
    """Body of ``PUT …/boot``: what it boots from, from the next start on."""

    devices: tuple[str, ...]
    """Ids of disks, MACs of cards, ``cdrom``; first is first. What is not named is not booted from."""
    operation_id: UUID | None = None

    def __post_init__(self) -> None:
        check_range("devices", len(self.devices), low=0, high=MAX_DISKS + MAX_NICS + 1)
        _check_distinct("devices", list(self.devices))


@dataclass(frozen=True, slots=True)
class TitleChange:
    """Body of ``PUT …/title``."""

    title: str
    operation_id: UUID | None = None

    def __post_init__(self) -> None:
        check_title(self.title)


@dataclass(frozen=True, slots=True)
class AutostartChange:
    """Body of ``PUT …/autostart``."""

    is_autostarted: bool
    operation_id: UUID | None = None


def _check_resources(wanted: DomainSpec | ResourcesChange) -> None:
    check_range("vcpus", wanted.vcpus, low=1, high=MAX_VCPUS)
    check_memory("memory_bytes", wanted.memory_bytes)
    if wanted.vcpus_max:
        check_range("vcpus_max", wanted.vcpus_max, low=wanted.vcpus, high=MAX_VCPUS)
    if wanted.memory_max_bytes:
        check_memory("memory_max_bytes", wanted.memory_max_bytes)
        if wanted.memory_max_bytes < wanted.memory_bytes:
            raise ValueError("memory_max_bytes: less than memory_bytes")


def _check_distinct(field: str, values: list[object]) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{field}: the same twice")
