"""Counters of a host and its domains, for rates: all cumulative, and all from zero again when a guest starts. Since version 2."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from .domain import DomainState


@dataclass(frozen=True, slots=True)
class DiskStats:
    """Of one disk since its guest started."""

    target: str
    """The name in the guest, such as ``vda``."""
    uuid: uuid.UUID | None = None
    """Of a disk that Eve made."""
    read_bytes: int = 0
    read_requests: int = 0
    write_bytes: int = 0
    write_requests: int = 0
    capacity_bytes: int = 0
    """Now: what the guest sees."""
    allocation_bytes: int = 0
    """Now: what it takes on the host."""


@dataclass(frozen=True, slots=True)
class NicStats:
    """Of one network card since its guest started, as the guest sees it."""

    mac: str
    """Empty where libvirt does not tell which card it is."""
    interface: str = ""
    """The name on the host, such as ``vnet0``."""
    received_bytes: int = 0
    received_packets: int = 0
    received_drops: int = 0
    sent_bytes: int = 0
    sent_packets: int = 0
    sent_drops: int = 0


@dataclass(frozen=True, slots=True)
class DomainStats:
    """Of one domain that runs or is paused."""

    uuid: uuid.UUID
    state: DomainState
    cpu_nanoseconds: int = 0
    """Processor time since it started, of all its threads on the host."""
    vcpus: int = 0
    """Now."""
    memory_bytes: int = 0
    """Now: what the guest is given."""
    memory_used_bytes: int = 0
    """Now: what the guest says that it uses, at most `memory_bytes`; 0 where its balloon driver tells nothing."""
    memory_resident_bytes: int = 0
    """Now: what its process takes on the host, with what QEMU itself needs: it may be more than `memory_bytes`."""
    disks: tuple[DiskStats, ...] = ()
    nics: tuple[NicStats, ...] = ()


@dataclass(frozen=True, slots=True)
class HostStats:
    """Of the host itself."""

    cpu_busy_nanoseconds: int = 0
    """Since it booted, of all processors: user, system and interrupts."""
    cpu_idle_nanoseconds: int = 0
    """Since it booted, of all processors: idle, and waiting for disks."""
    threads_total: int = 0
    """Logical processors that are online."""
    memory_bytes: int = 0
    memory_free_bytes: int = 0
    """Now: free, or held by caches that the kernel gives up when a guest needs it."""
    disk_read_bytes: int = 0
    """Since it booted, of whole disks."""
    disk_write_bytes: int = 0
    network_received_bytes: int = 0
    """Since it booted, of physical cards."""
    network_sent_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """What ``GET /libvirt/stats`` answers."""

    time: dt.datetime
    """When it was read, by the host's clock."""
    host: HostStats
    domains: tuple[DomainStats, ...] = ()
