"""Domain XML to :class:`~eve_agent.wire.domain.Domain` (source: libvirt's formatdomain)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from eve_agent.wire.domain import Disk, Domain, DomainState, Nic, Resources

from .devices import boot_order, has_mark, uuid_of
from .graphics import read_graphics
from .parse import MalformedXml, attribute_at, bytes_at, parse, text_at, whole

_GUEST_AGENT = "org.qemu.guest_agent.0"
_REMOVABLE = ("cdrom", "floppy")
_NIC_SOURCE = {"network": "network", "bridge": "bridge", "direct": "dev", "ethernet": "dev"}


@dataclass(frozen=True, slots=True)
class DomainStatus:
    """What libvirt knows of a domain beside its XML."""

    state: DomainState
    reason: str = ""
    is_persistent: bool = True
    is_autostarted: bool = False
    disk_capacities: Mapping[str, int] = field(default_factory=dict)
    """Bytes by the disk's target; an absent one is not known."""
    next_start: Resources | None = None
    """What a running domain will start with, where that is not what it has."""
    planned: str = ""
    """The document that a running domain will start with; empty where there is none."""


@dataclass(frozen=True, slots=True)
class DomainParts:
    """A domain, and what only the driver needs of its XML."""

    domain: Domain
    has_guest_agent: bool
    """Whether an agent in the guest has its channel open just now."""
    has_screen: bool
    """Whether there is a video device to take a picture of."""
    bridges: Mapping[str, str]
    """The host's bridge by the MAC of each card that is in one."""


def read_domain(text: str, status: DomainStatus) -> DomainParts:
    """The domain of ``virDomainGetXMLDesc`` (the live document while it runs). Raises MalformedXml."""
    root = parse(text, root="domain")
    devices = root.find("devices")
    if devices is None:
        devices = etree.SubElement(root, "devices")
    vcpus_max = whole(text_at(root, "vcpu"), 1)
    memory_max_bytes = bytes_at(root, "memory")
    disks = tuple(_disk(element, status.disk_capacities) for element in devices.iterfind("disk"))
    nics = tuple(_nic(element) for element in devices.iterfind("interface"))
    next_disks, next_nics = _next_devices(status.planned, disks, nics)
    domain = Domain(
        uuid=_uuid(text_at(root, "uuid")),
        name=text_at(root, "name"),
        state=status.state,
        reason=status.reason,
        vcpus=whole(attribute_at(root, "vcpu", "current"), vcpus_max),
        vcpus_max=vcpus_max,
        memory_bytes=bytes_at(root, "currentMemory") or memory_max_bytes,
        memory_max_bytes=memory_max_bytes,
        is_persistent=status.is_persistent,
        is_autostarted=status.is_autostarted,
        firmware=_firmware(root),
        disks=disks,
        nics=nics,
        graphics=read_graphics(devices),
        has_serial=devices.find("serial") is not None or devices.find("console") is not None,
        title=text_at(root, "title"),
        is_made_by_eve=has_mark(root),
        next_start=status.next_start,
        next_disks=next_disks,
        next_nics=next_nics,
    )
    return DomainParts(
        domain=domain,
        has_guest_agent=_has_guest_agent(devices),
        has_screen=any(attribute_at(video, "model", "type") != "none" for video in devices.iterfind("video")),
        bridges=_bridges(devices),
    )


def _next_devices(
    planned: str, disks: tuple[Disk, ...], nics: tuple[Nic, ...]
) -> tuple[tuple[Disk, ...] | None, tuple[Nic, ...] | None]:
    """Disks and cards of the `planned` document, each None where they are the same: discs come and go, and do not count."""
    if not planned:
        return None, None
    root = parse(planned, root="domain")
    next_disks = tuple(_disk(element, {}) for element in root.iterfind("devices/disk"))
    next_nics = tuple(_nic(element) for element in root.iterfind("devices/interface"))
    has_other_disks = _fixed(next_disks) != _fixed(disks)
    has_other_nics = {nic.mac for nic in next_nics} != {nic.mac for nic in nics}
    return next_disks if has_other_disks else None, next_nics if has_other_nics else None


def _fixed(disks: tuple[Disk, ...]) -> set[str]:
    return {disk.source for disk in disks if disk.device not in _REMOVABLE}


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise MalformedXml(f"<uuid>: {error}") from error


def _firmware(root: etree._Element) -> str:
    is_uefi = attribute_at(root, "os", "firmware") == "efi" or attribute_at(root, "os/loader", "type") == "pflash"
    return "uefi" if is_uefi else "bios"


def _disk(element: etree._Element, capacities: Mapping[str, int]) -> Disk:
    target = attribute_at(element, "target", "dev")
    return Disk(
        target=target,
        device=element.get("device", "disk"),
        bus=attribute_at(element, "target", "bus"),
        format=attribute_at(element, "driver", "type"),
        source=_disk_source(element.find("source")),
        capacity_bytes=capacities.get(target, 0),
        is_read_only=element.find("readonly") is not None,
        uuid=uuid_of(element),
        boot_order=boot_order(element),
    )


def _disk_source(source: etree._Element | None) -> str:
    """Where a disk's bytes are. A network disk's query and credentials stay out: they may be secrets."""
    if source is None:
        return ""
    for name in ("file", "dev", "dir"):
        if path := source.get(name):
            return path
    if volume := source.get("volume"):
        return f"{source.get('pool', '')}/{volume}"
    if protocol := source.get("protocol"):
        return f"{protocol}://{_host(source.find('host'))}/{source.get('name', '').lstrip('/')}"
    return source.get("path", "")


def _host(host: etree._Element | None) -> str:
    if host is None:
        return ""
    name = host.get("name", "")
    if ":" in name:
        name = f"[{name}]"
    return f"{name}:{port}" if (port := host.get("port")) else name


def _nic(element: etree._Element) -> Nic:
    kind = element.get("type", "")
    source = attribute_at(element, "source", _NIC_SOURCE[kind]) if kind in _NIC_SOURCE else ""
    return Nic(
        mac=attribute_at(element, "mac", "address"),
        kind=kind,
        source=source,
        model=attribute_at(element, "model", "type"),
        boot_order=boot_order(element),
    )


def _bridges(devices: etree._Element) -> dict[str, str]:
    """Of a card in a network of libvirt's, too, while the domain runs."""
    bridge_of = {
        attribute_at(nic, "mac", "address"): attribute_at(nic, "source", "bridge")
        for nic in devices.iterfind("interface")
    }
    return {mac: bridge for mac, bridge in bridge_of.items() if bridge}


def _has_guest_agent(devices: etree._Element) -> bool:
    return any(
        target.get("name") == _GUEST_AGENT and target.get("state") == "connected"
        for target in devices.iterfind("channel/target")
    )
