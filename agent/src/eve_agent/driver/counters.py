"""Counters as the host and libvirt tell them, in the wire's words."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eve_agent.wire.domain import DomainState
from eve_agent.wire.stats import DiskStats, DomainStats, HostStats, NicStats
from eve_agent.wire.storage import VolumeKind

from .pools.folder import named

_KIB = 1024
_SECTOR_BYTES = 512
"""The kernel counts in these, whatever the disk has (source: Documentation/block/stat.rst)."""
_IDLE = (3, 4)
"""Places of idle and iowait in ``/proc/stat``."""
_GUEST = 8
"""From here on, ``/proc/stat`` tells again what user and nice held already."""


def read_domain_stats(
    domain_uuid: uuid.UUID, state: DomainState, stats: Mapping[str, Any], *, macs: Mapping[str, str]
) -> DomainStats:
    """Of ``virConnectGetAllDomainStats``."""
    memory_bytes = stats.get("balloon.current", 0) * _KIB
    return DomainStats(
        uuid=domain_uuid,
        state=state,
        cpu_nanoseconds=stats.get("cpu.time", 0),
        vcpus=stats.get("vcpu.current", 0),
        memory_bytes=memory_bytes,
        memory_used_bytes=min(_used_kib(stats) * _KIB, memory_bytes),
        memory_resident_bytes=stats.get("balloon.rss", 0) * _KIB,
        disks=tuple(_disk(stats, index) for index in range(stats.get("block.count", 0))),
        nics=tuple(_nic(stats, index, macs) for index in range(stats.get("net.count", 0))),
    )


def _used_kib(stats: Mapping[str, Any]) -> int:
    """What the guest's balloon driver says: all that its system has less what it could give to programs. 0 where it says nothing yet."""
    usable = stats.get("balloon.usable", stats.get("balloon.unused"))
    return max(0, stats.get("balloon.available", 0) - usable) if usable is not None else 0


def interface_names(stats: Mapping[str, Any]) -> frozenset[str]:
    """The host's ends of a domain's network cards. A card of QEMU's user network has none, and libvirt counts it without a name."""
    found = (stats.get(f"net.{index}.name", "") for index in range(stats.get("net.count", 0)))
    return frozenset(name for name in found if name)


def read_host_stats(proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> HostStats:
    """Of the kernel's own files. What is not readable is 0."""
    busy_ticks, idle_ticks = _cpu_ticks(proc / "stat")
    nanoseconds = 10**9 // os.sysconf("SC_CLK_TCK")
    memory = _memory(proc / "meminfo")
    read_bytes, write_bytes = _disk_bytes(proc / "diskstats", sys / "block")
    received_bytes, sent_bytes = _network_bytes(proc / "net" / "dev", sys / "class" / "net")
    return HostStats(
        cpu_busy_nanoseconds=busy_ticks * nanoseconds,
        cpu_idle_nanoseconds=idle_ticks * nanoseconds,
        threads_total=os.cpu_count() or 0,
        memory_bytes=memory.get("MemTotal", 0),
        memory_free_bytes=memory.get("MemAvailable", 0),
        disk_read_bytes=read_bytes,
        disk_write_bytes=write_bytes,
        network_received_bytes=received_bytes,
        network_sent_bytes=sent_bytes,
    )


def _disk(stats: Mapping[str, Any], index: int) -> DiskStats:
    def value(name: str) -> int:
        return int(stats.get(f"block.{index}.{name}", 0))

    kind, found = named(str(stats.get(f"block.{index}.path", "")).rpartition("/")[2])
    return DiskStats(
        target=stats.get(f"block.{index}.name", ""),
        uuid=found if kind is VolumeKind.DISK else None,
        read_bytes=value("rd.bytes"),
        read_requests=value("rd.reqs"),
        write_bytes=value("wr.bytes"),
        write_requests=value("wr.reqs"),
        capacity_bytes=value("capacity"),
        allocation_bytes=value("physical"),
    )


def _nic(stats: Mapping[str, Any], index: int, macs: Mapping[str, str]) -> NicStats:
    def value(name: str) -> int:
        return int(stats.get(f"net.{index}.{name}", 0))

    interface = stats.get(f"net.{index}.name", "")
    return NicStats(
        mac=macs.get(interface, ""),
        interface=interface,
        received_bytes=value("rx.bytes"),
        received_packets=value("rx.pkts"),
        received_drops=value("rx.drop"),
        sent_bytes=value("tx.bytes"),
        sent_packets=value("tx.pkts"),
        sent_drops=value("tx.drop"),
    )


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return []


def _cpu_ticks(path: Path) -> tuple[int, int]:
    for words in _lines(path):
        if words and words[0] == "cpu":
            ticks = [int(word) for word in words[1 : 1 + _GUEST]]
            idle = sum(ticks[place] for place in _IDLE)
            return sum(ticks) - idle, idle
    return 0, 0


def _memory(path: Path) -> dict[str, int]:
    return {words[0].rstrip(":"): int(words[1]) * _KIB for words in _lines(path) if len(words) > 1}


def _disk_bytes(path: Path, blocks: Path) -> tuple[int, int]:
    """Of whole disks: neither partitions nor what lies upon others, which would count twice."""
    rows = [words for words in _lines(path) if len(words) > 9 and (blocks / words[2] / "device").exists()]
    return sum(int(row[5]) for row in rows) * _SECTOR_BYTES, sum(int(row[9]) for row in rows) * _SECTOR_BYTES


def _network_bytes(path: Path, interfaces: Path) -> tuple[int, int]:
    """Of physical cards."""
    received = sent = 0
    for words in _lines(path):
        if words and (interfaces / words[0].rstrip(":") / "device").exists():
            received += int(words[1])
            sent += int(words[9])
    return received, sent
