"""Capabilities XML to the host's processor and NUMA nodes (source: libvirt's formatcaps)."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from eve_agent.wire.host import NumaNode

from .parse import bytes_at, parse, text_at, whole


@dataclass(frozen=True, slots=True)
class HostParts:
    """What the capabilities tell of the host."""

    architecture: str
    cpu_model: str
    """Empty where libvirt does not know the processor."""
    numa_nodes: tuple[NumaNode, ...]


def read_capabilities(text: str) -> HostParts:
    """The host's part of ``virConnectGetCapabilities``. Raises MalformedXml."""
    root = parse(text, root="capabilities")
    return HostParts(
        architecture=text_at(root, "host/cpu/arch"),
        cpu_model=text_at(root, "host/cpu/model"),
        numa_nodes=tuple(_numa_node(cell) for cell in root.iterfind("host/topology/cells/cell")),
    )


def _numa_node(cell: etree._Element) -> NumaNode:
    return NumaNode(
        node_id=whole(cell.get("id")),
        memory_bytes=bytes_at(cell, "memory"),
        cpu_ids=tuple(sorted(whole(cpu.get("id")) for cpu in cell.iterfind("cpus/cpu"))),
    )
