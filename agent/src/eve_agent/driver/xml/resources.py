"""Storage pool and network XML (source: libvirt's formatstorage and formatnetwork)."""

from __future__ import annotations

from .parse import attribute_at, parse


def read_pool_kind(text: str) -> str:
    """libvirt's type of the pool, such as ``dir``. Raises MalformedXml."""
    return parse(text, root="pool").get("type", "")


def read_network_bridge(text: str) -> str:
    """The interface name of the network's bridge; empty for a network without one. Raises MalformedXml."""
    return attribute_at(parse(text, root="network"), "bridge", "name")
