"""What the agent reads of its own host without libvirt."""

from __future__ import annotations

from pathlib import Path

_INTERFACES = Path("/sys/class/net")
_KVM = Path("/dev/kvm")


def bridges(interfaces: Path = _INTERFACES) -> tuple[str, ...]:
    """Names of the interfaces that are bridges, whoever made them (source: ``/sys/class/net/*/bridge``)."""
    return tuple(sorted(path.parent.name for path in interfaces.glob("*/bridge") if path.is_dir()))


def has_kvm(device: Path = _KVM) -> bool:
    """Whether the host offers KVM; a guest may still not boot under it."""
    return device.is_char_device()
