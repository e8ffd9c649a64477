"""Devices in a domain's document: found by what Eve calls them, and changed in place."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass

from lxml import etree

from eve_agent.driver.pools.folder import named
from eve_agent.wire.storage import VolumeKind

from .build import MARK_NAMESPACE
from .parse import attribute_at, bytes_at, parse, text_at, whole

CDROM = "cdrom"
"""How a boot order calls the drive."""
_MARK = f"metadata/{{{MARK_NAMESPACE}}}machine"


@dataclass(frozen=True, slots=True)
class Device:
    """A device, as libvirt takes it to attach, detach or update it."""

    xml: str
    path: str = ""
    """Of a disk's or drive's file; empty for none."""
    target: str = ""
    """Of a disk or drive: the name in the guest."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Processors and memory in a document."""

    vcpus: int
    vcpus_max: int
    memory_bytes: int
    memory_max_bytes: int


class DomainDocument:
    """One document of a domain, read once. Raises MalformedXml."""

    def __init__(self, text: str) -> None:
        self._root = parse(text, root="domain")

    @property
    def limits(self) -> Limits:
        """What it says of processors and memory."""
        vcpus_max = whole(text_at(self._root, "vcpu"), 1)
        memory_max_bytes = bytes_at(self._root, "memory")
        return Limits(
            vcpus=whole(attribute_at(self._root, "vcpu", "current"), vcpus_max),
            vcpus_max=vcpus_max,
            memory_bytes=bytes_at(self._root, "currentMemory") or memory_max_bytes,
            memory_max_bytes=memory_max_bytes,
        )

    @property
    def has_plugged_vcpus(self) -> bool:
        """Of a running domain: whether it was given vCPUs since it started. Those that it started with cannot be unplugged."""
        return self._root.find("vcpus/vcpu[@enabled='yes'][@hotpluggable='yes']") is not None

    @property
    def has_mark(self) -> bool:
        """Whether Eve made it."""
        return has_mark(self._root)

    @property
    def operation(self) -> str:
        """The operation in Eve's mark; empty for none."""
        return attribute_at(self._root, _MARK, "operation")

    @property
    def macs_by_interface(self) -> dict[str, str]:
        """Of a running domain: MACs by the interface's name on the host."""
        return {
            attribute_at(interface, "target", "dev"): attribute_at(interface, "mac", "address")
            for interface in self._root.iterfind("devices/interface")
        }

    @property
    def targets(self) -> tuple[str, ...]:
        """Names in the guest that are taken."""
        return tuple(attribute_at(disk, "target", "dev") for disk in self._disks())

    @property
    def disks(self) -> tuple[Device, ...]:
        """Its disks, without drives."""
        return tuple(_device(disk) for disk in self._disks() if disk.get("device", "disk") == "disk")

    @property
    def paths(self) -> frozenset[str]:
        """Every file that its disks and drives name, also as what they are thin over."""
        found = {source.get("file", "") for disk in self._disks() for source in disk.iter("source")}
        return frozenset(found - {""})

    def disk_at(self, path: str) -> Device | None:
        """The disk or drive whose file that is."""
        for disk in self._disks():
            if attribute_at(disk, "source", "file") == path:
                return _device(disk)
        return None

    def disk_of(self, disk_uuid: uuid.UUID) -> Device | None:
        """The disk of that id."""
        for disk in self._disks():
            if disk.get("device", "disk") == "disk" and uuid_of(disk) == disk_uuid:
                return _device(disk)
        return None

    def nic(self, mac: str) -> Device | None:
        """The card of that address."""
        found = self._nic(mac)
        return None if found is None else _device(found)

    def drive(self) -> Device | None:
        """The first CD drive that does not hold a seed."""
        found = self._drive()
        return None if found is None else _device(found)

    def drive_with(self, path: str) -> str:
        """The drive's XML with another disc in it; an empty `path` for none. Raises LookupError."""
        found = self._drive()
        if found is None:
            raise LookupError("no drive")
        return with_disc(_text(found), path)

    def with_boot_order(self, devices: tuple[str, ...]) -> str:
        """The document with that order of boot. Raises LookupError with the name of a device that is not there."""
        root = copy.deepcopy(self._root)
        changed = DomainDocument.__new__(DomainDocument)
        changed._root = root
        for boot in [*root.iterfind("devices/*/boot"), *root.iterfind("os/boot")]:
            parent = boot.getparent()
            if parent is not None:
                parent.remove(boot)
        for order, name in enumerate(devices, start=1):
            element = changed._named(name)
            if element is None:
                raise LookupError(name)
            etree.SubElement(element, "boot", order=str(order))
        return _text(root)

    def _named(self, name: str) -> etree._Element | None:
        if name == CDROM:
            return self._drive()
        for disk in self._disks():
            if disk.get("device", "disk") == "disk" and str(uuid_of(disk)) == name.lower():
                return disk
        return self._nic(name)

    def _disks(self) -> list[etree._Element]:
        return self._root.findall("devices/disk")

    def _nic(self, mac: str) -> etree._Element | None:
        for interface in self._root.iterfind("devices/interface"):
            if attribute_at(interface, "mac", "address").lower() == mac.lower():
                return interface
        return None

    def _drive(self) -> etree._Element | None:
        for disk in self._disks():
            kind, _ = named(_file_name(disk))
            if disk.get("device") == "cdrom" and kind is not VolumeKind.SEED:
                return disk
        return None


def has_mark(root: etree._Element) -> bool:
    """Whether the domain bears Eve's mark."""
    return root.find(_MARK) is not None


def uuid_of(disk: etree._Element) -> uuid.UUID | None:
    """The id of Eve's disk or image in it, by its file's name."""
    kind, found = named(_file_name(disk))
    return found if kind in (VolumeKind.DISK, VolumeKind.IMAGE) else None


def boot_order(element: etree._Element) -> int:
    """1 is first; 0 for none."""
    return whole(attribute_at(element, "boot", "order"))


def with_disc(device_xml: str, path: str) -> str:
    """A drive's XML with another disc in it; an empty `path` for none."""
    disk = parse(device_xml, root="disk")
    for source in disk.findall("source"):
        disk.remove(source)
    for name in ("backingStore", "alias"):
        for element in disk.findall(name):
            disk.remove(element)
    if path:
        disk.set("type", "file")
        etree.SubElement(disk, "source", file=path)
    return _text(disk)


def _file_name(disk: etree._Element) -> str:
    return attribute_at(disk, "source", "file").rpartition("/")[2]


def _device(element: etree._Element) -> Device:
    return Device(
        xml=_text(element),
        path=attribute_at(element, "source", "file"),
        target=attribute_at(element, "target", "dev"),
    )


def _text(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)
