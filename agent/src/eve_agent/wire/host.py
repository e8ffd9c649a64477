"""What a host is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cpu:
    """The host's processor (source: ``virNodeGetInfo``, ``virConnectGetCapabilities``)."""

    architecture: str
    """As ``uname -m`` says it, such as ``x86_64``."""
    model: str
    """The CPU's name, such as ``EPYC-Rome``; empty where libvirt does not know."""
    sockets: int
    """Sockets per NUMA node."""
    cores_per_socket: int
    threads_per_core: int
    threads_total: int
    """Logical processors that are online."""
    frequency_mhz: int = 0
    """0 where it is not known."""


@dataclass(frozen=True, slots=True)
class NumaNode:
    """One NUMA cell of the host."""

    node_id: int
    memory_bytes: int
    cpu_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """A libvirt network."""

    name: str
    is_active: bool
    bridge: str = ""
    """The bridge's interface name; empty for networks without one."""


@dataclass(frozen=True, slots=True)
class HostPool:
    """A libvirt storage pool. Sizes are 0 while it is not active."""

    name: str
    kind: str
    """libvirt's pool type, such as ``dir`` or ``logical``."""
    is_active: bool
    capacity_bytes: int = 0
    available_bytes: int = 0
    filesystem: str = ""
    """Where on the host its folder lies: pools that say the same share their bytes. Empty for other kinds, and where the agent does not know."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What ``GET /libvirt`` answers."""

    host_name: str
    agent_version: str
    contract_version: int
    libvirt_version: str
    """``major.minor.release`` of the libvirt daemon."""
    hypervisor_version: str
    """``major.minor.release`` of QEMU."""
    cpu: Cpu
    memory_bytes: int
    memory_free_bytes: int
    """Free, or held by caches that the kernel gives up when a guest needs it."""
    time: dt.datetime
    """The host's clock, UTC."""
    numa_nodes: tuple[NumaNode, ...] = ()
    bridges: tuple[str, ...] = ()
    """Interface names of the host's bridges, libvirt's and others."""
    networks: tuple[HostNetwork, ...] = ()
    pools: tuple[HostPool, ...] = ()
    has_kvm: bool = False
    """Whether /dev/kvm is there; a guest may still not boot under it."""
    is_kvm_used: bool = False
    """Whether domains of Eve's are made for KVM: a probe booted under it. Else QEMU emulates the processor. Since version 2."""
