"""In which disks and network cards a machine of Eve's differs from what its host reports. Compares; changes and asks nothing."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from eve_agent.wire.domain import Disk as SeenDisk
from eve_agent.wire.domain import Domain

from .models import Disk, Lifecycle, Nic, Vm

DISKS = ("disk", "lun")
"""What counts as a disk among what a host reports: discs come and go."""


class DifferenceKind(enum.StrEnum):
    """In what a device differs."""

    DISK_GONE = "disk_gone"
    """Eve has it, the domain does not."""
    DISK_ADDED = "disk_added"
    """The domain has it, Eve does not."""
    DISK_SIZE = "disk_size"
    NIC_GONE = "nic_gone"
    NIC_ADDED = "nic_added"


@dataclass(frozen=True, slots=True)
class Difference:
    """One device that is not as agreed."""

    kind: DifferenceKind
    device: str
    """A disk's id, or where its bytes are if Eve did not make it; a card's MAC address."""
    name: str = ""
    """As the guest or the host calls it: ``vdb``, a network."""
    agreed_bytes: int = 0
    seen_bytes: int = 0
    is_pending: bool = False
    """Whether the running guest is as agreed in that, and will be other at its next start."""

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Difference:
        """As it is kept in a row."""
        return cls(**{**plain, "kind": DifferenceKind(plain["kind"])})


def differences_of(vm: Vm) -> list[Difference]:
    """As they were when its host reported it last."""
    return [Difference.of(plain) for plain in vm.differences]


def compared(vm: Vm, domain: Domain) -> list[dict[str, Any]]:
    """The same anew, as it is kept: by `domain` and the rows of disks and cards. Of what Eve did not make nothing was agreed."""
    if not vm.is_made_by_eve or vm.lifecycle != Lifecycle.KEPT:
        return []
    found = [
        *_disks(vm.disks.all(), domain, vm.accepted_devices),
        *_nics(vm.nics.all(), domain, vm.accepted_devices),
    ]
    return [asdict(difference) for difference in found]


def key_of(disk: SeenDisk) -> str:
    """What a reported disk is known by."""
    return str(disk.uuid) if disk.uuid else disk.source


def _disks(agreed: Iterable[Disk], domain: Domain, accepted: Collection[str]) -> Iterator[Difference]:
    there, then = _keyed(domain.disks), _keyed(domain.disks if domain.next_disks is None else domain.next_disks)
    for row in agreed:
        key = str(row.pk)
        disk, next_disk = there.pop(key, None), then.pop(key, None)
        if next_disk is None or (disk is None and key not in accepted):
            yield Difference(DifferenceKind.DISK_GONE, key, agreed_bytes=row.size_bytes, is_pending=disk is not None)
        elif disk is not None and disk.capacity_bytes not in (0, row.size_bytes):
            yield Difference(
                DifferenceKind.DISK_SIZE,
                key,
                disk.target,
                agreed_bytes=row.size_bytes,
                seen_bytes=disk.capacity_bytes,
            )
    for key, disk in {**then, **there}.items():
        if key not in accepted:
            yield Difference(
                DifferenceKind.DISK_ADDED,
                key,
                disk.target,
                seen_bytes=disk.capacity_bytes,
                is_pending=key not in there,
            )


def _keyed(disks: Iterable[SeenDisk]) -> dict[str, SeenDisk]:
    return {key_of(disk): disk for disk in disks if disk.device in DISKS}


def _nics(agreed: Iterable[Nic], domain: Domain, accepted: Collection[str]) -> Iterator[Difference]:
    there = {nic.mac.lower(): nic for nic in domain.nics}
    then = there if domain.next_nics is None else {nic.mac.lower(): nic for nic in domain.next_nics}
    agreed_macs = {row.mac for row in agreed}
    for row in agreed:
        if row.mac not in then or (row.mac not in there and row.mac not in accepted):
            yield Difference(DifferenceKind.NIC_GONE, row.mac, row.source, is_pending=row.mac in there)
    for mac, nic in {**then, **there}.items():
        if mac not in agreed_macs and mac not in accepted:
            yield Difference(DifferenceKind.NIC_ADDED, mac, nic.source or nic.kind, is_pending=mac not in there)
