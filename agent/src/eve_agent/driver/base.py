"""The Protocol that every driver keeps, and that one contract suite tests."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Domain, StateAction
from eve_agent.wire.events import Event
from eve_agent.wire.guest import FreezeStatus, GuestInfo
from eve_agent.wire.host import HostFacts
from eve_agent.wire.snapshots import Snapshot, SnapshotSpec
from eve_agent.wire.spec import CdromSlot, DiskSlot, DomainDelete, DomainSpec, NicSlot, ResourcesChange, ResourcesStatus
from eve_agent.wire.stats import Stats
from eve_agent.wire.storage import Deleted, DiskSpec, DiskStatus, Pool, SeedSpec, SeedStatus, Volume

from .pools.folder import PoolFolder

EventListener = Callable[[Event], None]
"""Called on the event loop's thread; must not block."""


@dataclass(frozen=True, slots=True)
class Screenshot:
    """A picture of a domain's screen."""

    content_type: str
    """``image/png`` or ``image/x-portable-pixmap``."""
    data: bytes


class StorageDriver(Protocol):
    """The storage of a host. What names a pool raises PoolNotFound, and PoolUnusable where Eve does not write to it."""

    async def pools(self) -> tuple[Pool, ...]:
        """All pools by name."""

    async def volumes(self, pool: str) -> tuple[Volume, ...]:
        """What a pool holds, by name. Raises PoolNotFound, PoolUnusable (not active)."""

    async def pool_folder(self, pool: str) -> PoolFolder:
        """The pool's folder, open; the caller closes it."""

    async def delete_image(self, pool: str, image_uuid: uuid.UUID) -> Deleted:
        """Raises ImageInUse while a disk is thin over it or a domain has it in its drive."""

    async def disk(self, pool: str, disk_uuid: uuid.UUID) -> DiskStatus:
        """Raises VolumeNotFound."""

    async def make_disk(self, pool: str, disk_uuid: uuid.UUID, wanted: DiskSpec) -> DiskStatus:
        """Makes it, or grows it where no running domain has it.

        Raises ImageNotFound, ImageInvalid, VolumeMismatch, VolumeInUse, NoSpace.
        """

    async def delete_disk(self, pool: str, disk_uuid: uuid.UUID) -> Deleted:
        """Raises VolumeInUse while a domain has it."""

    async def require_idle_disk(self, pool: str, disk_uuid: uuid.UUID) -> None:
        """Raises VolumeNotFound, and VolumeInUse while a running domain has it."""

    async def make_seed(self, pool: str, vm_uuid: uuid.UUID, wanted: SeedSpec) -> SeedStatus:
        """Puts it in the place of a former one, which a running guest's drive does not hold any longer either. Raises NoSpace."""

    async def delete_seed(self, pool: str, vm_uuid: uuid.UUID) -> Deleted:
        """Takes it out of the domain's drive, where it is in one, and deletes it."""


class MachineDriver(Protocol):
    """Making and changing domains. What names a domain raises DomainNotFound; a change that is already true does nothing."""

    async def define_domain(self, wanted: DomainSpec) -> Domain:
        """A domain that is off.

        Raises DomainExists, NameTaken, BeyondHost, PoolNotFound, VolumeNotFound, VolumeInUse, ImageNotFound, NetworkNotFound.
        """

    async def delete_domain(self, domain_uuid: uuid.UUID, wanted: DomainDelete) -> Deleted:
        """Stops and forgets the domain, then deletes the named disks and the seed; what is gone already is passed over.

        Raises NotMadeByEve, VolumeInUse (by another domain).
        """

    async def change_resources(self, domain_uuid: uuid.UUID, wanted: ResourcesChange) -> ResourcesStatus:
        """Raises BeyondHost."""

    async def attach_disk(self, domain_uuid: uuid.UUID, wanted: DiskSlot) -> Domain:
        """Raises PoolNotFound, VolumeNotFound, VolumeInUse, ActionRefused."""

    async def detach_disk(self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID) -> Domain:
        """Raises ActionRefused where the guest does not let go."""

    async def grow_disk(self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID, size_bytes: int) -> Domain:
        """Raises DeviceNotFound, VolumeMismatch (smaller), NoSpace."""

    async def attach_nic(self, domain_uuid: uuid.UUID, wanted: NicSlot) -> Domain:
        """Raises NetworkNotFound, ActionRefused."""

    async def detach_nic(self, domain_uuid: uuid.UUID, mac: str) -> Domain:
        """Raises ActionRefused where the guest does not let go."""

    async def change_cdrom(self, domain_uuid: uuid.UUID, wanted: CdromSlot) -> Domain:
        """Raises DeviceNotFound (no drive), PoolNotFound, ImageNotFound."""

    async def set_boot_order(self, domain_uuid: uuid.UUID, devices: tuple[str, ...]) -> Domain:
        """Raises DeviceNotFound."""

    async def set_title(self, domain_uuid: uuid.UUID, title: str) -> Domain: ...

    async def set_autostart(self, domain_uuid: uuid.UUID, *, is_autostarted: bool) -> Domain: ...


class SnapshotDriver(Protocol):
    """Snapshots of domains. Everything raises DomainNotFound."""

    async def snapshots(self, domain_uuid: uuid.UUID) -> tuple[Snapshot, ...]:
        """Parents before children."""

    async def make_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID, wanted: SnapshotSpec) -> Snapshot:
        """Of a running guest's disks alone, they hold what it has written; its agent, where it has one, has it write all first.

        Raises DomainOff, SnapshotRefused, NoSpace.
        """

    async def revert_to_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> Domain:
        """Raises SnapshotNotFound, ActionRefused."""

    async def delete_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> Deleted:
        """Its children become its parent's."""


class GuestDriver(Protocol):
    """The insides of guests. Everything raises DomainNotFound."""

    async def guest_info(self, domain_uuid: uuid.UUID) -> GuestInfo:
        """What the agent in the guest tells; without one, addresses by lease and ARP. Empty for a domain that is off."""

    async def set_password(self, domain_uuid: uuid.UUID, user: str, password: str) -> None:
        """Raises DomainOff, NoGuestAgent, GuestRefused."""

    async def freeze(self, domain_uuid: uuid.UUID, seconds: int) -> FreezeStatus:
        """Raises DomainOff, NoGuestAgent, GuestRefused. The guest thaws after `seconds`, whatever becomes of this process."""

    async def thaw(self, domain_uuid: uuid.UUID) -> FreezeStatus:
        """Raises DomainOff, NoGuestAgent, GuestRefused."""


class Driver(StorageDriver, MachineDriver, SnapshotDriver, GuestDriver, Protocol):
    """A host's hypervisor. Every coroutine may raise LibvirtAway and LibvirtTimeout (retryable)."""

    @property
    def is_up(self) -> bool:
        """Whether the hypervisor can be reached just now."""

    async def start(self) -> None:
        """Connects, and goes on trying in the background while that fails; never raises for a hypervisor that is away."""

    async def close(self) -> None:
        """Disconnects. Running guests live on, and so do sockets from :meth:`open_console`."""

    async def host_facts(self) -> HostFacts:
        """What the host is."""

    async def stats(self) -> Stats:
        """Counters of the host and of every domain that is not off."""

    async def domains(self) -> tuple[Domain, ...]:
        """All domains, active or not, by name."""

    async def domain(self, domain_uuid: uuid.UUID) -> Domain:
        """One domain. Raises DomainNotFound."""

    async def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        """The domain after `action`, which succeeds without effect where it is already so.

        Raises DomainNotFound, DomainOff (shutdown, reboot, reset, suspend, resume of what is off), ActionRefused.
        """

    async def open_console(
        self, domain_uuid: uuid.UUID, kind: ConsoleKind, *, is_forced: bool = False
    ) -> socket.socket:
        """A connected, non-blocking stream socket to the display, past its password, or to the serial line; the caller owns it.

        Raises DomainNotFound, DomainOff, NoDisplay, DisplayUnsupported, ActionRefused, and ConsoleBusy where somebody else holds the serial
        line; with `is_forced` it is taken from them.
        """

    async def press_keys(self, domain_uuid: uuid.UUID, keys: tuple[int, ...], hold_ms: int) -> None:
        """Presses Linux keycodes together, and lets go of them `hold_ms` later; does not wait for that.

        Raises DomainNotFound, DomainOff, ActionRefused (paused, or no keyboard).
        """

    async def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot:
        """The screen as it is now. Raises DomainNotFound, DomainOff, NoDisplay, ActionRefused."""

    def subscribe(self, listener: EventListener) -> Callable[[], None]:
        """Calls `listener` for every event from now on, until the returned function is called."""
