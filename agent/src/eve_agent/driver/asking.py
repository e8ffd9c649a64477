"""What the threaded driver asks of a session beside reads, states and displays: how long it may take, and what it waits behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

from eve_agent.wire.domain import Domain
from eve_agent.wire.guest import FreezeStatus, GuestInfo
from eve_agent.wire.snapshots import Snapshot, SnapshotSpec
from eve_agent.wire.spec import CdromSlot, DiskSlot, DomainDelete, DomainSpec, NicSlot, ResourcesChange, ResourcesStatus
from eve_agent.wire.stats import Stats
from eve_agent.wire.storage import Deleted, DiskSpec, DiskStatus, Pool, SeedSpec, SeedStatus, Volume

from .host import Session
from .pools.folder import PoolFolder

T = TypeVar("T")

SNAPSHOT_SECONDS = 900.0
"""A guest's memory is written to a disk."""


class _Caller(Protocol):
    """What :class:`~eve_agent.driver.threaded.ThreadedDriver` offers to its parts."""

    async def domain(self, domain_uuid: uuid.UUID) -> Domain: ...

    async def _call(
        self,
        operation: Callable[[Session], T],
        *,
        key: Hashable,
        also: tuple[Hashable, ...] = (),
        timeout_seconds: float | None = None,
        discard: Callable[[T], None] | None = None,
    ) -> T: ...

    async def _change(
        self, domain_uuid: uuid.UUID, operation: Callable[[Session], T], *, timeout_seconds: float | None = None
    ) -> T:
        """A change of a domain: one at a time for each, three at once, told to whoever listens."""

    async def _write(self, operation: Callable[[Session], T], *, key: Hashable) -> T:
        """A change of a pool."""

    async def _ask_agent(self, domain_uuid: uuid.UUID, operation: Callable[[Session], T]) -> T:
        """Something of a guest's agent. Raises NoGuestAgent where too many of them are hanging."""


class Asking:
    """Storage, changes, snapshots and guests of :class:`~eve_agent.driver.base.Driver`, by way of a session."""

    async def stats(self: _Caller) -> Stats:
        return await self._call(lambda session: session.stats(), key="stats")

    async def pools(self: _Caller) -> tuple[Pool, ...]:
        return await self._call(lambda session: session.pools(), key="pools")

    async def volumes(self: _Caller, pool: str) -> tuple[Volume, ...]:
        return await self._write(lambda session: session.volumes(pool), key=("volumes", pool))

    async def pool_folder(self: _Caller, pool: str) -> PoolFolder:
        return await self._call(
            lambda session: session.pool_folder(pool), key=("folder", pool), discard=PoolFolder.close
        )

    async def delete_image(self: _Caller, pool: str, image_uuid: uuid.UUID) -> Deleted:
        return await self._write(lambda session: session.delete_image(pool, image_uuid), key=("image", image_uuid))

    async def disk(self: _Caller, pool: str, disk_uuid: uuid.UUID) -> DiskStatus:
        return await self._write(lambda session: session.disk(pool, disk_uuid), key=("disk", disk_uuid))

    async def make_disk(self: _Caller, pool: str, disk_uuid: uuid.UUID, wanted: DiskSpec) -> DiskStatus:
        return await self._write(lambda session: session.make_disk(pool, disk_uuid, wanted), key=("disk", disk_uuid))

    async def delete_disk(self: _Caller, pool: str, disk_uuid: uuid.UUID) -> Deleted:
        return await self._write(lambda session: session.delete_disk(pool, disk_uuid), key=("disk", disk_uuid))

    async def require_idle_disk(self: _Caller, pool: str, disk_uuid: uuid.UUID) -> None:
        await self._call(lambda session: session.require_idle_disk(pool, disk_uuid), key=("idle", disk_uuid))

    async def make_seed(self: _Caller, pool: str, vm_uuid: uuid.UUID, wanted: SeedSpec) -> SeedStatus:
        return await self._change(vm_uuid, lambda session: session.make_seed(pool, vm_uuid, wanted))

    async def delete_seed(self: _Caller, pool: str, vm_uuid: uuid.UUID) -> Deleted:
        return await self._change(vm_uuid, lambda session: session.delete_seed(pool, vm_uuid))

    async def define_domain(self: _Caller, wanted: DomainSpec) -> Domain:
        return await self._change(wanted.uuid, lambda session: session.define_domain(wanted))

    async def delete_domain(self: _Caller, domain_uuid: uuid.UUID, wanted: DomainDelete) -> Deleted:
        return await self._change(domain_uuid, lambda session: session.delete_domain(domain_uuid, wanted))

    async def change_resources(self: _Caller, domain_uuid: uuid.UUID, wanted: ResourcesChange) -> ResourcesStatus:
        return await self._change(domain_uuid, lambda session: session.change_resources(domain_uuid, wanted))

    async def attach_disk(self: _Caller, domain_uuid: uuid.UUID, wanted: DiskSlot) -> Domain:
        await self._change(domain_uuid, lambda session: session.attach_disk(domain_uuid, wanted))
        return await self.domain(domain_uuid)

    async def detach_disk(self: _Caller, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID) -> Domain:
        await self._change(domain_uuid, lambda session: session.detach_disk(domain_uuid, disk_uuid))
        return await self.domain(domain_uuid)

    async def grow_disk(self: _Caller, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID, size_bytes: int) -> Domain:
        await self._change(domain_uuid, lambda session: session.grow_disk(domain_uuid, disk_uuid, size_bytes))
        return await self.domain(domain_uuid)

    async def attach_nic(self: _Caller, domain_uuid: uuid.UUID, wanted: NicSlot) -> Domain:
        await self._change(domain_uuid, lambda session: session.attach_nic(domain_uuid, wanted))
        return await self.domain(domain_uuid)

    async def detach_nic(self: _Caller, domain_uuid: uuid.UUID, mac: str) -> Domain:
        await self._change(domain_uuid, lambda session: session.detach_nic(domain_uuid, mac))
        return await self.domain(domain_uuid)

    async def change_cdrom(self: _Caller, domain_uuid: uuid.UUID, wanted: CdromSlot) -> Domain:
        await self._change(domain_uuid, lambda session: session.change_cdrom(domain_uuid, wanted))
        return await self.domain(domain_uuid)

    async def set_boot_order(self: _Caller, domain_uuid: uuid.UUID, devices: tuple[str, ...]) -> Domain:
        await self._change(domain_uuid, lambda session: session.set_boot_order(domain_uuid, devices))
        return await self.domain(domain_uuid)

    async def set_title(self: _Caller, domain_uuid: uuid.UUID, title: str) -> Domain:
        await self._change(domain_uuid, lambda session: session.set_title(domain_uuid, title))
        return await self.domain(domain_uuid)

    async def set_autostart(self: _Caller, domain_uuid: uuid.UUID, *, is_autostarted: bool) -> Domain:
        await self._change(
            domain_uuid, lambda session: session.set_autostart(domain_uuid, is_autostarted=is_autostarted)
        )
        return await self.domain(domain_uuid)

    async def snapshots(self: _Caller, domain_uuid: uuid.UUID) -> tuple[Snapshot, ...]:
        return await self._call(lambda session: session.snapshots(domain_uuid), key=("snapshots", domain_uuid))

    async def make_snapshot(
        self: _Caller, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID, wanted: SnapshotSpec
    ) -> Snapshot:
        return await self._change(
            domain_uuid,
            lambda session: session.make_snapshot(domain_uuid, snapshot_uuid, wanted),
            timeout_seconds=SNAPSHOT_SECONDS,
        )

    async def revert_to_snapshot(self: _Caller, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> Domain:
        await self._change(
            domain_uuid,
            lambda session: session.revert_to_snapshot(domain_uuid, snapshot_uuid),
            timeout_seconds=SNAPSHOT_SECONDS,
        )
        return await self.domain(domain_uuid)

    async def delete_snapshot(self: _Caller, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> Deleted:
        return await self._change(
            domain_uuid,
            lambda session: session.delete_snapshot(domain_uuid, snapshot_uuid),
            timeout_seconds=SNAPSHOT_SECONDS,
        )

    async def guest_info(self: _Caller, domain_uuid: uuid.UUID) -> GuestInfo:
        return await self._ask_agent(domain_uuid, lambda session: session.guest_info(domain_uuid))

    async def set_password(self: _Caller, domain_uuid: uuid.UUID, user: str, password: str) -> None:
        await self._ask_agent(domain_uuid, lambda session: session.set_password(domain_uuid, user, password))

    async def freeze(self: _Caller, domain_uuid: uuid.UUID, seconds: int) -> FreezeStatus:
        return await self._ask_agent(domain_uuid, lambda session: session.freeze(domain_uuid, seconds))

    async def thaw(self: _Caller, domain_uuid: uuid.UUID) -> FreezeStatus:
        return await self._ask_agent(domain_uuid, lambda session: session.thaw(domain_uuid))
