"""Domain XML of small guests, built through lxml's element API. Converts a ``GuestSpec`` and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lxml import etree

MARK_NAMESPACE = "urn:eve:local"
"""Namespace of the ``<metadata>`` element that tells our guests from everybody else's."""

_BALLOON_SECONDS = 2
"""How often a guest says what memory it uses."""

Purpose = Literal["demo", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphics:
    """One display. ``listen="none"`` leaves libvirt's graphics fd as the only way in."""

    kind: Literal["vnc", "spice"] = "vnc"
    listen: Literal["none", "socket", "tcp"] = "none"
    address: str = "127.0.0.1"
    password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One user-mode NIC. With its link down (the default) the guest reaches nobody, the host's loopback included."""

    mac: str | None = None
    link_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSpec:
    """What a guest is made of. ``hostname`` is what its prompt shows; ``serial_log`` receives all its serial output."""

    name: str
    kernel: Path
    initramfs: Path
    purpose: Purpose = "demo"
    uuid: str | None = None
    hostname: str = "eve-demo"
    memory_mib: int = 128
    vcpus: int = 1
    virt_type: Literal["qemu", "kvm"] = "qemu"
    machine: Literal["pc", "q35"] = "pc"
    firmware: Literal["bios", "uefi"] = "bios"
    graphics: tuple[Graphics, ...] = (Graphics(),)
    nics: tuple[Nic, ...] = (Nic(),)
    disk: Path | None = None
    serial_log: Path | None = None
    kernel_arguments: tuple[str, ...] = ()


def domain_xml(spec: GuestSpec) -> str:
    """The domain as libvirt takes it (https://libvirt.org/formatdomain.html)."""
    domain = _e(
        "domain",
        _e("name", spec.name),
        _e("metadata", _mark(spec.purpose)),
        _e("memory", str(spec.memory_mib), unit="MiB"),
        _e("vcpu", str(spec.vcpus)),
        _os(spec),
        _e("features", _e("acpi"), _e("apic")),
        _e("on_poweroff", "destroy"),
        _e("on_reboot", "restart"),
        _e("on_crash", "destroy"),
        _devices(spec),
        type=spec.virt_type,
    )
    if spec.uuid is not None:
        domain.insert(1, _e("uuid", spec.uuid))
    return etree.tostring(domain, pretty_print=True, encoding="unicode")


def domain_purpose(xml: str) -> str | None:
    """``"demo"`` or ``"test"`` for a domain that this package made, None for anybody else's."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    mark = etree.fromstring(xml, parser).find(f"metadata/{{{MARK_NAMESPACE}}}guest")
    return None if mark is None else mark.get("purpose")


def domain_uuid(xml: str) -> str:
    """The UUID in a domain's XML."""
    return str(etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True)).findtext("uuid"))


def domain_kernel(xml: str) -> Path:
    """The kernel that a domain boots directly; an empty path where it has none."""
    return Path(
        etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True)).findtext("os/kernel") or ""
    )


def _e(tag: str, *content: str | etree._Element, **attributes: str) -> etree._Element:
    """An element with attributes and, as content, text or children."""
    element = etree.Element(tag, dict(attributes))
    for part in content:
        if isinstance(part, str):
            element.text = part
        else:
            element.append(part)
    return element


def _mark(purpose: str) -> etree._Element:
    return etree.Element(f"{{{MARK_NAMESPACE}}}guest", {"purpose": purpose}, nsmap={"eve": MARK_NAMESPACE})


def _os(spec: GuestSpec) -> etree._Element:
    # The last console named is /dev/console: the screen, which is what a browser shows.
    arguments = (
        "console=ttyS0,115200",
        "console=tty0",
        "panic=0",
        f"eve.hostname={spec.hostname}",
        *spec.kernel_arguments,
    )
    element = _e(
        "os",
        _e("type", "hvm", arch="x86_64", machine=spec.machine),
        _e("kernel", str(spec.kernel)),
        _e("initrd", str(spec.initramfs)),
        _e("cmdline", " ".join(arguments)),
    )
    if spec.firmware == "uefi":
        # Without secure boot: it would refuse a kernel that nobody signed for this guest.
        element.set("firmware", "efi")
        element.insert(1, _e("firmware", _e("feature", enabled="no", name="secure-boot")))
    return element


def _devices(spec: GuestSpec) -> etree._Element:
    devices = _e("devices")
    if spec.disk is not None:
        devices.append(
            _e(
                "disk",
                _e("driver", name="qemu", type="qcow2"),
                _e("source", file=str(spec.disk)),
                _e("target", dev="vda", bus="virtio"),
                type="file",
                device="disk",
            )
        )
    devices.extend(_nic(nic) for nic in spec.nics)
    serial = _e("serial", _e("target", port="0"), type="pty")
    if spec.serial_log is not None:
        serial.append(_e("log", file=str(spec.serial_log), append="off"))
    devices.append(serial)
    devices.extend(_graphics(graphics) for graphics in spec.graphics)
    devices.append(_e("video", _e("model", type="vga", vram="16384", heads="1", primary="yes")))
    devices.append(_e("memballoon", _e("stats", period=str(_BALLOON_SECONDS)), model="virtio"))
    devices.append(_e("rng", _e("backend", "/dev/urandom", model="random"), model="virtio"))
    return devices


def _nic(nic: Nic) -> etree._Element:
    interface = _e(
        "interface", _e("model", type="virtio"), _e("link", state="up" if nic.link_up else "down"), type="user"
    )
    if nic.mac is not None:
        interface.insert(0, _e("mac", address=nic.mac))
    return interface


def _graphics(graphics: Graphics) -> etree._Element:
    listen = _e("listen", type={"none": "none", "socket": "socket", "tcp": "address"}[graphics.listen])
    element = _e("graphics", listen, type=graphics.kind)
    if graphics.listen == "tcp":
        listen.set("address", graphics.address)
        element.set("autoport", "yes")
    if graphics.password is not None:
        element.set("passwd", graphics.password)
    return element
