"""What a state change means, the same for every driver."""

from __future__ import annotations

from collections.abc import Sequence

from eve_agent.errors import (
    ActionRefused,
    AgentError,
    BeyondHost,
    DisplayUnsupported,
    DomainNotFound,
    DomainOff,
    ImageInUse,
    NoDisplay,
    NoGuestAgent,
    NotMadeByEve,
    SnapshotRefused,
    VolumeInUse,
    VolumeMismatch,
)
from eve_agent.wire.domain import Domain, DomainState, Graphics, GraphicsKind, StateAction
from eve_agent.wire.snapshots import SnapshotSpec
from eve_agent.wire.spec import DomainSpec, Firmware, ResourcesChange
from eve_agent.wire.storage import DiskSpec, DiskStatus

_GOALS = {
    StateAction.STOP: DomainState.OFF,
    StateAction.SHUTDOWN: DomainState.SHUTTING_DOWN,
    StateAction.SUSPEND: DomainState.PAUSED,
    StateAction.RESUME: DomainState.RUNNING,
}
_STARTING = "starting_up"
_PASSING_PAUSES = frozenset({_STARTING, "migration", "save", "dump", "snapshot"})
"""Reasons of a pause that libvirt made for a moment and will end by itself."""
_CRASHED = "crashed"
_BITTEN = "watchdog"
_FOR_THE_DEAD = frozenset({StateAction.START, StateAction.STOP, StateAction.RESET})


def is_crashed(domain: Domain) -> bool:
    """Whether its guest crashed, and is kept as it was then (one that was reset since, but not resumed, is paused)."""
    return domain.state is DomainState.CRASHED or (domain.state is DomainState.PAUSED and domain.reason == _CRASHED)


def is_kept_still(domain: Domain) -> bool:
    """Whether libvirt stopped it because of what its guest did, so that it runs on once it is reset."""
    return is_crashed(domain) or (domain.state is DomainState.PAUSED and domain.reason == _BITTEN)


def is_already(action: StateAction, domain: Domain) -> bool:
    """Whether `action` has nothing left to do."""
    if domain.state is DomainState.PAUSED and domain.reason in _PASSING_PAUSES:
        return action is StateAction.START and domain.reason != _STARTING
    if action is StateAction.START:
        return domain.state not in (DomainState.OFF, DomainState.UNKNOWN) and not is_crashed(domain)
    return _GOALS.get(action) is domain.state


def refuse_impossible(action: StateAction, domain: Domain) -> None:
    """Raises DomainOff or ActionRefused for what a domain in this state cannot do."""
    if domain.state is DomainState.OFF and action not in (StateAction.START, StateAction.STOP):
        raise DomainOff(f"“{domain.name}” is off; start it first.")
    if is_crashed(domain) and action not in _FOR_THE_DEAD:
        raise ActionRefused(f"“{domain.name}” crashed and is kept as it was then; start, reset or stop it.")


def not_found() -> AgentError:
    """What every driver says of a domain that it does not have."""
    return DomainNotFound("There is no such virtual machine on this host.")


def vnc_display(domain: Domain) -> Graphics:
    """The first display of `domain` that speaks VNC. Raises DomainOff, NoDisplay, DisplayUnsupported."""
    refuse_screenless(domain)
    if not domain.graphics:
        raise NoDisplay(f"“{domain.name}” has no graphics device.")
    for device in domain.graphics:
        if device.kind is GraphicsKind.VNC:
            return device
    kinds = ", ".join(device.kind for device in domain.graphics)
    raise DisplayUnsupported(f"“{domain.name}” has a display ({kinds}), but none that speaks VNC.")


def refuse_screenless(domain: Domain) -> None:
    """Raises DomainOff where nothing can be on a screen."""
    if domain.state is DomainState.OFF:
        raise DomainOff(f"“{domain.name}” is off; start it to see its screen.")


def refuse_lineless(domain: Domain) -> None:
    """Raises DomainOff or NoDisplay where there is no serial line to open."""
    if domain.state is DomainState.OFF:
        raise DomainOff(f"“{domain.name}” is off; start it to use its serial line.")
    if not domain.has_serial:
        raise NoDisplay(f"“{domain.name}” has no serial port.")


def refuse_typing(domain: Domain) -> None:
    """Raises DomainOff or ActionRefused where nobody would get a key."""
    if domain.state is DomainState.OFF:
        raise DomainOff(f"“{domain.name}” is off; start it first.")
    if domain.state is not DomainState.RUNNING:
        raise ActionRefused(f"“{domain.name}” does not run just now, so its keyboard is dead; resume it first.")


def refuse_beyond_host(wanted: DomainSpec | ResourcesChange, *, threads: int, memory_bytes: int) -> None:
    """Raises BeyondHost for a domain that is larger than its host."""
    if wanted.vcpus > threads:
        raise BeyondHost(f"This host has {threads} processors; a virtual machine cannot have more.")
    if wanted.memory_bytes > memory_bytes:
        raise BeyondHost(f"This host has {memory_bytes // 2**20} MiB of memory; a virtual machine cannot have more.")


def capped(wanted: DomainSpec | ResourcesChange, *, threads: int, memory_bytes: int) -> tuple[int, int]:
    """The maxima of processors and of memory in bytes, no less than what is wanted now and no more than the host has."""
    vcpus_max = min(max(wanted.vcpus_max, wanted.vcpus), threads)
    memory_max_bytes = min(max(wanted.memory_max_bytes, wanted.memory_bytes), memory_bytes)
    return vcpus_max, memory_max_bytes


def refuse_disk_in_use(users: Sequence[str]) -> None:
    """Raises VolumeInUse where domains have the disk."""
    if users:
        raise VolumeInUse(f"The disk belongs to “{users[0]}”; detach it there first.")


def refuse_image_in_use(users: Sequence[str]) -> None:
    """Raises ImageInUse where disks or domains need the image."""
    if users:
        more = f" and {len(users) - 1} more" if len(users) > 1 else ""
        raise ImageInUse(f"The image is needed by {users[0]}{more}; disks that were made of it still read from it.")


def refuse_other_image(status: DiskStatus, wanted: DiskSpec) -> None:
    """Raises VolumeMismatch where the disk is there, but is not the one that is wanted."""
    if status.image_uuid != (None if wanted.takes_image else wanted.image_uuid):
        raise VolumeMismatch("A disk of that id is there already, made of another image.")


def check_disk_over_image(wanted: DiskSpec, virtual_bytes: int) -> None:
    """Raises VolumeMismatch for a disk that is smaller than what it is to be made of."""
    if wanted.size_bytes < virtual_bytes:
        raise VolumeMismatch(f"The image needs a disk of at least {-(-virtual_bytes // 2**20)} MiB.")


def refuse_shrinking(present_bytes: int, size_bytes: int) -> None:
    """Raises VolumeMismatch: a smaller disk would cut off what a guest wrote."""
    if size_bytes < present_bytes:
        raise VolumeMismatch(f"The disk has {present_bytes // 2**20} MiB; it can be made larger only.")


def refuse_foreign(name: str, *, has_mark: bool) -> None:
    """Raises NotMadeByEve for a domain without Eve's mark."""
    if not has_mark:
        raise NotMadeByEve(f"Eve did not make “{name}”, and deletes only what it made: virsh undefine {name}")


def refuse_snapshot(domain: Domain, wanted: SnapshotSpec, *, has_plugged_vcpus: bool) -> None:
    """Raises DomainOff: memory needs a guest that runs.

    Raises SnapshotRefused for the memory of a guest that was given vCPUs while it runs: QEMU loads a memory before it plugs
    vCPUs in, so no way would lead back to it. And for that of a UEFI guest: its firmware's variables are in a raw file, which no
    snapshot holds.
    """
    is_off = domain.state is DomainState.OFF
    if wanted.with_memory and is_off:
        raise DomainOff(f"“{domain.name}” is off, so it has no memory to keep; take a snapshot of its disks.")
    if wanted.with_memory and domain.firmware == Firmware.UEFI:
        raise SnapshotRefused(
            f"“{domain.name}” has UEFI firmware, whose variables no snapshot with memory can hold. "
            "Make one of its disks alone."
        )
    if wanted.with_memory and has_plugged_vcpus:
        raise SnapshotRefused(
            f"“{domain.name}” was given vCPUs while it runs, and nothing could bring its memory back with them. "
            "Shut it down and start it once; then it can have that snapshot. One of its disks alone it can have now."
        )


def refuse_without_agent(domain: Domain, *, has_agent: bool) -> None:
    """Raises DomainOff, NoGuestAgent."""
    if domain.state is not DomainState.RUNNING:
        raise DomainOff(f"“{domain.name}” does not run, so nothing in it can be asked.")
    if not has_agent:
        raise NoGuestAgent(f"No agent runs in “{domain.name}”: install qemu-guest-agent in the guest.")
