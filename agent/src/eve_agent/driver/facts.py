"""Puts together what a host is, from an open libvirt connection and the host's own files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from eve_agent import __version__
from eve_agent.wire.host import Cpu, HostFacts, HostNetwork, HostPool
from eve_agent.wire.version import CONTRACT_VERSION

from . import machine
from .pools.sizes import pool_filesystem, pool_sizes
from .readings import version_text
from .xml import read_capabilities, read_network_bridge, read_pool_kind

_ALL_CELLS = -1
"""``VIR_NODE_MEMORY_STATS_ALL_CELLS``."""


def read_facts(connection: Any, *, networks: Iterable[Any], pools: Iterable[Any], is_kvm_used: bool) -> HostFacts:
    """The facts, blocking.

    Args:
        connection: a ``libvirt.virConnect``.
        networks: its ``virNetwork``.
        pools: its ``virStoragePool``.
        is_kvm_used: whether domains are made for KVM.

    Raises:
        libvirtError, MalformedXml: to be translated by the caller.
    """
    _, memory_mib, threads, mhz, _, sockets, cores, threads_per_core = connection.getInfo()
    host = read_capabilities(connection.getCapabilities())
    memory_kib = connection.getMemoryStats(_ALL_CELLS, 0)
    return HostFacts(
        host_name=connection.getHostname(),
        agent_version=__version__,
        contract_version=CONTRACT_VERSION,
        libvirt_version=version_text(connection.getLibVersion()),
        hypervisor_version=version_text(connection.getVersion()),
        cpu=Cpu(
            architecture=host.architecture,
            model=host.cpu_model,
            sockets=sockets,
            cores_per_socket=cores,
            threads_per_core=threads_per_core,
            threads_total=threads,
            frequency_mhz=mhz,
        ),
        memory_bytes=memory_kib.get("total", memory_mib * 2**10) * 2**10,
        memory_free_bytes=sum(memory_kib.get(name, 0) for name in ("free", "buffers", "cached")) * 2**10,
        time=dt.datetime.now(dt.UTC),
        numa_nodes=host.numa_nodes,
        bridges=machine.bridges(),
        networks=tuple(_network(network) for network in networks),
        pools=tuple(_pool(pool) for pool in pools),
        has_kvm=machine.has_kvm(),
        is_kvm_used=is_kvm_used,
    )


def _network(network: Any) -> HostNetwork:
    return HostNetwork(
        name=network.name(), is_active=bool(network.isActive()), bridge=read_network_bridge(network.XMLDesc(0))
    )


def _pool(pool: Any) -> HostPool:
    text, name = pool.XMLDesc(0), pool.name()
    kind = read_pool_kind(text)
    if not pool.isActive():
        return HostPool(name=name, kind=kind, is_active=False)
    capacity_bytes, _, available_bytes = pool_sizes(pool, text)
    return HostPool(
        name=name,
        kind=kind,
        is_active=True,
        capacity_bytes=capacity_bytes,
        available_bytes=available_bytes,
        filesystem=pool_filesystem(text),
    )
