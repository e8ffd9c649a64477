"""What Eve wants, as libvirt's XML (source: libvirt's formatdomain and formatsnapshot). Elements only, never strings."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lxml import etree

from eve_agent.wire.spec import DiskBus, DiskSlot, DomainSpec, Firmware, NicKind, NicSlot

from .parse import parse

MARK_NAMESPACE = "urn:eve:machine:1"
"""Of the element in a domain's metadata that says that Eve made it."""
GUEST_AGENT = "org.qemu.guest_agent.0"
CLIPBOARD_AGENT = "com.redhat.spice.0"
CD_TARGET = "sda"
SEED_TARGET = "sdb"
_FIRST_SCSI_DISK = 2
_UNITS_OF_CONTROLLER = 7
"""Disks that libvirt puts on one SCSI controller before it counts on."""
_HOTPLUG_PORTS = 12
_BALLOON_SECONDS = 10


@dataclass(frozen=True, slots=True)
class DomainPlan:
    """What a specification means on this host."""

    spec: DomainSpec
    virtualization: str
    """``kvm`` or ``qemu``."""
    vcpus_max: int
    memory_max_bytes: int
    disk_paths: Mapping[uuid.UUID, str]
    cd_path: str = ""
    """Empty for an empty drive."""
    seed_path: str = ""
    """Empty where there is none."""
    has_clipboard: bool = False
    """Whether it shares its guest's clipboard with who is at its screen."""


def domain_xml(plan: DomainPlan) -> str:
    """The document that defines it."""
    spec = plan.spec
    domain = _e(
        "domain",
        _e("name", spec.name),
        _e("uuid", str(spec.uuid)),
        *([_e("title", spec.title)] if spec.title else []),
        _e("metadata", mark(str(spec.operation_id or ""))),
        _e("memory", str(plan.memory_max_bytes // 1024), unit="KiB"),
        _e("currentMemory", str(spec.memory_bytes // 1024), unit="KiB"),
        _e("vcpu", str(plan.vcpus_max), placement="static", current=str(spec.vcpus)),
        _os(spec.firmware),
        _e("features", _e("acpi"), _e("apic")),
        _e("cpu", mode="host-model" if plan.virtualization == "kvm" else "maximum"),
        _e("clock", offset="utc"),
        _e("on_poweroff", "destroy"),
        _e("on_reboot", "restart"),
        _e("on_crash", "preserve"),
        _devices(plan),
        type=plan.virtualization,
    )
    return _text(domain)


def mark(operation_id: str) -> etree._Element:
    """The element that says that Eve made it."""
    element = etree.Element(f"{{{MARK_NAMESPACE}}}machine", nsmap={"eve": MARK_NAMESPACE})
    if operation_id:
        element.set("operation", operation_id)
    return element


def disk_xml(slot: DiskSlot, *, path: str, target: str) -> str:
    """The device for ``virDomainAttachDeviceFlags``."""
    return _text(_disk(slot, path=path, target=target))


def nic_xml(slot: NicSlot) -> str:
    """The device for ``virDomainAttachDeviceFlags``."""
    return _text(_nic(slot))


def snapshot_xml(name: str, *, title: str, with_memory: bool) -> str:
    """An internal snapshot named `name`."""
    return _text(
        _e(
            "domainsnapshot",
            _e("name", name),
            _e("description", title),
            _e("memory", snapshot="internal" if with_memory else "no"),
        )
    )


def disks_snapshot_xml(name: str, *, title: str, made_at: int, parent: str, disks: Iterable[str], domain: str) -> str:
    """The record of an internal snapshot of disks that is there already. `disks` are names in the guest, `domain` is its document."""
    return _text(
        _e(
            "domainsnapshot",
            _e("name", name),
            _e("description", title),
            _e("state", "shutoff"),
            _e("creationTime", str(made_at)),
            *([_e("parent", _e("name", parent))] if parent else []),
            _e("memory", snapshot="no"),
            _e("disks", *(_e("disk", name=disk, snapshot="internal") for disk in disks)),
            parse(domain, root="domain"),
        )
    )


def free_target(bus: DiskBus, taken: Iterable[str]) -> str:
    """The first name in the guest that is free; for SCSI and SATA the first two are the drives'."""
    used = set(taken)
    prefix, number = ("vd", 0) if bus is DiskBus.VIRTIO else ("sd", _FIRST_SCSI_DISK)
    while (target := prefix + _letters(number)) in used:
        number += 1
    return target


def _os(firmware: Firmware) -> etree._Element:
    element = _e("os", _e("type", "hvm", arch="x86_64", machine="q35"))
    if firmware is Firmware.UEFI:
        element.set("firmware", "efi")
        element.append(_e("firmware", _e("feature", enabled="no", name="secure-boot")))
    return element


def _devices(plan: DomainPlan) -> etree._Element:
    spec = plan.spec
    devices = _e("devices")
    devices.append(_e("controller", type="pci", index="0", model="pcie-root"))
    devices.extend(_e("controller", type="pci", model="pcie-root-port") for _ in range(_HOTPLUG_PORTS))
    scsi_disks = sum(disk.bus is DiskBus.SCSI for disk in spec.disks) + _FIRST_SCSI_DISK
    devices.extend(
        _e("controller", type="scsi", index=str(index), model="virtio-scsi")
        for index in range(-(-scsi_disks // _UNITS_OF_CONTROLLER))
    )
    taken: list[str] = []
    for slot in spec.disks:
        taken.append(free_target(slot.bus, taken))
        devices.append(_disk(slot, path=plan.disk_paths[slot.disk_uuid], target=taken[-1]))
    # Without virtio drivers a guest sees neither disks nor drives on virtio-scsi; Debian's cloud kernel has no AHCI.
    bus = "sata" if any(slot.bus is DiskBus.SATA for slot in spec.disks) else "scsi"
    devices.append(_cd(plan.cd_path, target=CD_TARGET, bus=bus, boot_order=spec.cdrom.boot_order))
    if plan.seed_path:
        devices.append(_cd(plan.seed_path, target=SEED_TARGET, bus=bus, boot_order=0))
    devices.extend(_nic(slot) for slot in spec.nics)
    devices.append(_e("serial", _e("target", port="0"), type="pty"))
    devices.append(_e("console", _e("target", type="serial", port="0"), type="pty"))
    devices.append(_e("channel", _e("target", type="virtio", name=GUEST_AGENT), type="unix"))
    if plan.has_clipboard:
        devices.append(_clipboard())
    devices.append(_e("input", type="tablet", bus="usb"))
    devices.append(_e("graphics", _e("listen", type="none"), type="vnc"))
    devices.append(_e("video", _e("model", type="vga", vram="16384", heads="1", primary="yes")))
    devices.append(_e("memballoon", _e("stats", period=str(_BALLOON_SECONDS)), model="virtio"))
    devices.append(_e("rng", _e("backend", "/dev/urandom", model="random"), model="virtio"))
    devices.append(_e("panic", model="isa"))
    return devices


def _disk(slot: DiskSlot, *, path: str, target: str) -> etree._Element:
    return _e(
        "disk",
        _e("driver", name="qemu", type="qcow2", discard="unmap"),
        _e("source", file=path),
        _e("target", dev=target, bus=slot.bus.value),
        _e("serial", str(slot.disk_uuid)[:20]),
        *_boot(slot.boot_order),
        type="file",
        device="disk",
    )


def _cd(path: str, *, target: str, bus: str, boot_order: int) -> etree._Element:
    return _e(
        "disk",
        _e("driver", name="qemu", type="raw"),
        *([_e("source", file=path)] if path else []),
        _e("target", dev=target, bus=bus),
        _e("readonly"),
        *_boot(boot_order),
        type="file",
        device="cdrom",
    )


def _nic(slot: NicSlot) -> etree._Element:
    source = {slot.kind.value: slot.source}
    return _e(
        "interface",
        _e("mac", address=slot.mac),
        _e("source", **source),
        _e("model", type=slot.model.value),
        *_boot(slot.boot_order),
        type="network" if slot.kind is NicKind.NETWORK else "bridge",
    )


def _clipboard() -> etree._Element:
    """A channel to spice-vdagent. The pointer stays the tablet's, which needs no agent."""
    return _e(
        "channel",
        _e("source", _e("clipboard", copypaste="yes"), _e("mouse", mode="server")),
        _e("target", type="virtio", name=CLIPBOARD_AGENT),
        type="qemu-vdagent",
    )


def _boot(order: int) -> list[etree._Element]:
    return [_e("boot", order=str(order))] if order else []


def _letters(number: int) -> str:
    """0 is ``a``, 25 ``z``, 26 ``aa``."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def _e(tag: str, *content: str | etree._Element, **attributes: str) -> etree._Element:
    """An element with attributes and, as content, text or children."""
    element = etree.Element(tag, dict(attributes))
    for part in content:
        if isinstance(part, str):
            element.text = part
        else:
            element.append(part)
    return element


def _text(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode")
