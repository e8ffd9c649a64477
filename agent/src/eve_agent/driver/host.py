"""What a blocking hypervisor library has to offer, so that :class:`~eve_agent.driver.threaded.ThreadedDriver` can drive it."""

from __future__ import annotations

import socket
import uuid
from typing import Protocol

from eve_agent.wire.domain import Domain, StateAction
from eve_agent.wire.guest import FreezeStatus, GuestInfo
from eve_agent.wire.host import HostFacts
from eve_agent.wire.snapshots import Snapshot, SnapshotSpec
from eve_agent.wire.spec import CdromSlot, DiskSlot, DomainDelete, DomainSpec, NicSlot, ResourcesChange, ResourcesStatus
from eve_agent.wire.stats import Stats
from eve_agent.wire.storage import Deleted, DiskSpec, DiskStatus, Pool, SeedSpec, SeedStatus, Volume

from .base import Screenshot
from .pools.folder import PoolFolder


class WatchListener(Protocol):
    """Who is told what happens at the hypervisor. Both may be called from any thread and return at once."""

    def domain_changed(self, domain_uuid: uuid.UUID) -> None:
        """Something of that domain changed, or it is gone: it is to be read again."""

    def connection_lost(self, why: str) -> None:
        """The hypervisor's daemon died or hangs: the watch is to be closed and opened again."""


class Watch(Protocol):
    """A connection that only listens."""

    def close(self) -> None:
        """Ends it. Never raises."""


class Session(Protocol):
    """A connection that one thread makes calls on, one at a time. Every method blocks.

    Every method but :meth:`close` raises LibvirtAway when the connection is dead, and else as
    :class:`~eve_agent.driver.base.Driver` says for the coroutine of the same purpose.
    """

    def is_alive(self) -> bool:
        """Whether a call is worth trying; does not ask the daemon."""

    def close(self) -> None:
        """Ends it. Never raises."""

    def facts(self) -> HostFacts: ...

    def domains(self) -> tuple[Domain, ...]:
        """All domains; one whose QEMU hangs as it was seen last, or in outline; disks as last measured."""

    def domain(self, domain_uuid: uuid.UUID) -> Domain:
        """As :meth:`domains`, of one."""

    def measure_disks(self, domain_uuid: uuid.UUID | None) -> None:
        """Learns the disks' capacities, of all domains without an id; for that, running QEMUs are asked."""

    def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        """``shutdown`` and ``reboot`` press the guest's power button (ACPI)."""

    def ask_guest_agent(self, domain_uuid: uuid.UUID, action: StateAction) -> bool:
        """Asks the agent in the guest for ``shutdown`` or ``reboot``; false where none is there or it did not take it.

        The guest decides how long that takes.
        """

    def stats(self) -> Stats: ...

    def pools(self) -> tuple[Pool, ...]: ...

    def volumes(self, pool: str) -> tuple[Volume, ...]: ...

    def pool_folder(self, pool: str) -> PoolFolder: ...

    def delete_image(self, pool: str, image_uuid: uuid.UUID) -> Deleted: ...

    def disk(self, pool: str, disk_uuid: uuid.UUID) -> DiskStatus: ...

    def make_disk(self, pool: str, disk_uuid: uuid.UUID, wanted: DiskSpec) -> DiskStatus: ...

    def delete_disk(self, pool: str, disk_uuid: uuid.UUID) -> Deleted: ...

    def require_idle_disk(self, pool: str, disk_uuid: uuid.UUID) -> None: ...

    def make_seed(self, pool: str, vm_uuid: uuid.UUID, wanted: SeedSpec) -> SeedStatus: ...

    def delete_seed(self, pool: str, vm_uuid: uuid.UUID) -> Deleted: ...

    def define_domain(self, wanted: DomainSpec) -> Domain: ...

    def delete_domain(self, domain_uuid: uuid.UUID, wanted: DomainDelete) -> Deleted: ...

    def change_resources(self, domain_uuid: uuid.UUID, wanted: ResourcesChange) -> ResourcesStatus: ...

    def attach_disk(self, domain_uuid: uuid.UUID, wanted: DiskSlot) -> None: ...

    def detach_disk(self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID) -> None: ...

    def grow_disk(self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID, size_bytes: int) -> None: ...

    def attach_nic(self, domain_uuid: uuid.UUID, wanted: NicSlot) -> None: ...

    def detach_nic(self, domain_uuid: uuid.UUID, mac: str) -> None: ...

    def change_cdrom(self, domain_uuid: uuid.UUID, wanted: CdromSlot) -> None: ...

    def set_boot_order(self, domain_uuid: uuid.UUID, devices: tuple[str, ...]) -> None: ...

    def set_title(self, domain_uuid: uuid.UUID, title: str) -> None: ...

    def set_autostart(self, domain_uuid: uuid.UUID, *, is_autostarted: bool) -> None: ...

    def snapshots(self, domain_uuid: uuid.UUID) -> tuple[Snapshot, ...]: ...

    def make_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID, wanted: SnapshotSpec) -> Snapshot: ...

    def revert_to_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> None: ...

    def delete_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> Deleted: ...

    def guest_info(self, domain_uuid: uuid.UUID) -> GuestInfo: ...

    def set_password(self, domain_uuid: uuid.UUID, user: str, password: str) -> None: ...

    def freeze(self, domain_uuid: uuid.UUID, seconds: int) -> FreezeStatus: ...

    def thaw(self, domain_uuid: uuid.UUID) -> FreezeStatus: ...

    def open_display(self, domain_uuid: uuid.UUID) -> socket.socket: ...

    def open_serial(self, domain_uuid: uuid.UUID, *, is_forced: bool) -> socket.socket: ...

    def press_keys(self, domain_uuid: uuid.UUID, keys: tuple[int, ...], hold_ms: int) -> None: ...

    def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot: ...


class Hypervisor(Protocol):
    """Opens connections, blocking for as long as that takes. Both raise LibvirtAway."""

    def open_watch(self, listener: WatchListener) -> Watch: ...

    def open_session(self) -> Session: ...
