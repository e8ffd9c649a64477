"""Storage pool and network XML (source: libvirt's formatstorage and formatnetwork)."""

from __future__ import annotations

from .parse import attribute_at, parse, text_at


def read_pool_kind(text: str) -> str:
    """libvirt's type of the pool, such as ``dir``. Raises MalformedXml."""
    return parse(text, root="pool").get("type", "")


def read_network_bridge(text: str) -> str:
    """The interface name of the network's bridge; empty for a network without one. Raises MalformedXml."""
    return attribute_at(parse(text, root="network"), "bridge", "name")


def read_pool_path(text: str) -> str:
    """The pool's folder or device on the host; empty for a kind without one. Raises MalformedXml."""
    return text_at(parse(text, root="pool"), "target/path")


def read_volume(text: str) -> tuple[str, str]:
    """The volume's format as libvirt found it, and the path of what it is thin over; empty for none. Raises MalformedXml."""
    root = parse(text, root="volume")
    return attribute_at(root, "target/format", "type"), text_at(root, "backingStore/path")
