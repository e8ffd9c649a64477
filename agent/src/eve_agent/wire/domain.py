"""What a virtual machine is, as its host sees it."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass


class DomainState(enum.StrEnum):
    """A domain's state (source: ``virDomainState``; BLOCKED counts as running)."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTTING_DOWN = "shutting_down"
    OFF = "off"
    CRASHED = "crashed"
    SLEEPING = "sleeping"
    """Suspended by the guest's own power management."""
    UNKNOWN = "unknown"


class StateAction(enum.StrEnum):
    """What may be done to a domain's state."""

    START = "start"
    SHUTDOWN = "shutdown"
    """Ask the guest to power off (guest agent, else ACPI)."""
    STOP = "stop"
    """Pull the plug."""
    REBOOT = "reboot"
    """Ask the guest to restart."""
    RESET = "reset"
    """Press the reset button."""
    SUSPEND = "suspend"
    """Freeze the virtual processors; memory stays."""
    RESUME = "resume"


class GraphicsKind(enum.StrEnum):
    """Type of a graphics device."""

    VNC = "vnc"
    SPICE = "spice"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk or CD-ROM drive of a domain."""

    target: str
    """The name in the guest, such as ``vda``."""
    device: str = "disk"
    """``disk``, ``cdrom``, ``floppy`` or ``lun``."""
    bus: str = ""
    format: str = ""
    """The declared image format, such as ``qcow2``."""
    source: str = ""
    """Path, volume or address; empty for an empty drive."""
    capacity_bytes: int = 0
    """The size that the guest sees; 0 where libvirt cannot tell."""
    is_read_only: bool = False
    uuid: uuid.UUID | None = None
    """Of a disk or CD image that Eve made, by its file's name. Since version 2."""
    boot_order: int = 0
    """1 is first; 0: it is not booted from. Since version 2."""


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card of a domain."""

    mac: str
    kind: str
    """libvirt's interface type: ``network``, ``bridge``, ``user``, …"""
    source: str = ""
    """Name of the network or bridge."""
    model: str = ""
    boot_order: int = 0
    """1 is first; 0: it is not booted from. Since version 2."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Processors and memory of a domain. Since version 2."""

    vcpus: int
    vcpus_max: int
    """How many it may be given while it runs."""
    memory_bytes: int
    memory_max_bytes: int
    """How much it may be given while it runs."""


@dataclass(frozen=True, slots=True)
class Graphics:
    """A graphics device of a domain."""

    kind: GraphicsKind
    index: int
    """Its place among all graphics devices of the domain, from 0: what ``virDomainOpenGraphicsFD`` takes."""
    listen: str = ""
    """The TCP address that it listens on; empty for none and for a Unix socket."""
    is_exposed: bool = False
    """Whether it listens beyond loopback, where anybody may try its password."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What ``GET /libvirt/domains/{uuid}`` answers, and an item of ``GET /libvirt/domains``."""

    uuid: uuid.UUID
    name: str
    state: DomainState
    vcpus: int
    """Of the running guest, else what it will start with."""
    memory_bytes: int
    """As :attr:`vcpus`."""
    reason: str = ""
    """Why it is in that state, such as ``booted``, ``destroyed``, ``ioerror``, ``watchdog``, ``panicked``."""
    vcpus_max: int = 0
    memory_max_bytes: int = 0
    is_persistent: bool = True
    """Whether it outlives a stop."""
    is_autostarted: bool = False
    firmware: str = "bios"
    """``bios`` or ``uefi``."""
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    graphics: tuple[Graphics, ...] = ()
    has_serial: bool = False
    title: str = ""
    """One line for people. Since version 2."""
    is_made_by_eve: bool = False
    """Whether it bears the mark of Eve's making. Since version 2."""
    next_start: Resources | None = None
    """Of a running domain: what it will start with, where that is not what it has; of memory within the same maximum, a balloon may have
    made the difference, or be missing. Since version 2."""
    next_disks: tuple[Disk, ...] | None = None
    """Of a running domain: the disks and drives that it will start with, where others are among them than it has. Since version 2."""
    next_nics: tuple[Nic, ...] | None = None
    """The same of its network cards. Since version 2."""
    is_outline: bool = False
    """Whether nothing is known just now but id, name, state and reason, because its QEMU does not answer or its description cannot be
    read: of the rest, what was said before still holds. Since version 2."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """Body of ``PATCH /libvirt/domains/{uuid}/state``; the answer is the :class:`Domain` after it.

    A change that is already true (start of what runs, stop of what is off) succeeds without doing anything,
    so that a retry is harmless; a ``reboot`` or ``reset`` is done once for each operation, however often it is asked for.
    ``shutdown`` and ``reboot`` answer once the guest was asked, not when it is off.
    """

    action: StateAction
    operation_id: str = ""
    """Eve's operation."""
