"""Pools of the made-up hypervisor: disks and seeds are records, images are files in a temporary folder."""

from __future__ import annotations

import dataclasses
import tempfile
import uuid
from typing import Any

from eve_agent.driver.pools.folder import PoolFolder, disk_name, image_name, named, seed_name
from eve_agent.driver.pools.qemu_img import QemuImg
from eve_agent.driver.rules import (
    check_disk_over_image,
    refuse_disk_in_use,
    refuse_image_in_use,
    refuse_other_image,
)
from eve_agent.errors import ImageNotFound, NoSpace, PoolNotFound, VolumeNotFound
from eve_agent.wire.domain import DomainState
from eve_agent.wire.storage import Deleted, DiskSpec, DiskStatus, Pool, SeedSpec, SeedStatus, Volume, VolumeKind

from .core import POOL_BYTES, FakeCore

THIN_BYTES = 196 * 1024
"""What an empty disk takes."""
SEED_BYTES = 64 * 1024
Key = tuple[str, uuid.UUID]


class FakeStorage(FakeCore):
    """See :class:`~eve_agent.driver.fake.FakeDriver`."""

    def __init__(self, **options: Any) -> None:
        self._folders: dict[str, tempfile.TemporaryDirectory[str]] = {}
        self._disks: dict[Key, DiskStatus] = {}
        self.seeds: dict[Key, SeedSpec] = {}
        super().__init__(**options)

    async def close(self) -> None:
        await super().close()
        for folder in self._folders.values():
            folder.cleanup()
        self._folders.clear()

    async def pools(self) -> tuple[Pool, ...]:
        await self._answer()
        return tuple(self._pool(name) for name in sorted(self.pool_names))

    async def volumes(self, pool: str) -> tuple[Volume, ...]:
        await self._answer()
        with self._folder(pool) as folder:
            files = [_file_volume(folder, name) for name in folder.names()]
        images = [volume for volume in files if volume.kind is not VolumeKind.DISK]
        disks = [_volume(status) for (place, _), status in self._disks.items() if place == pool]
        seeds = [
            Volume(name=seed_name(vm), kind=VolumeKind.SEED, uuid=vm, format="iso", allocation_bytes=SEED_BYTES)
            for place, vm in self.seeds
            if place == pool
        ]
        return tuple(sorted([*images, *disks, *seeds], key=lambda volume: volume.name))

    async def pool_folder(self, pool: str) -> PoolFolder:
        await self._answer()
        return self._folder(pool)

    async def delete_image(self, pool: str, image_uuid: uuid.UUID) -> Deleted:
        await self._answer()
        with self._folder(pool) as folder:
            refuse_image_in_use(self._users_of_image(folder, pool, image_uuid))
            return Deleted(was_there=folder.unlink(image_name(image_uuid)))

    def _users_of_image(self, folder: PoolFolder, pool: str, image_uuid: uuid.UUID) -> list[str]:
        thin = [
            disk_name(status.disk_uuid)
            for (place, _), status in self._disks.items()
            if place == pool and status.image_uuid == image_uuid
        ]
        return [*self._users_of(folder.file_path(image_name(image_uuid))), *thin]

    async def disk(self, pool: str, disk_uuid: uuid.UUID) -> DiskStatus:
        await self._answer()
        return self._disk(pool, disk_uuid)

    async def make_disk(self, pool: str, disk_uuid: uuid.UUID, wanted: DiskSpec) -> DiskStatus:
        await self._answer()
        key = (pool, disk_uuid)
        with self._folder(pool) as folder:
            status = self._disks.get(key)
            if status is None:
                self._refuse_full(pool)
                if wanted.image_uuid is not None:
                    name = image_name(wanted.image_uuid)
                    if folder.size(name) is None:
                        raise ImageNotFound("The pool has no such image; was it deleted meanwhile?")
                    found = QemuImg(folder.descriptor).inspect(name, wanted.image_format)
                    check_disk_over_image(wanted, found.virtual_bytes)
                    if wanted.takes_image:
                        refuse_image_in_use(self._users_of_image(folder, pool, wanted.image_uuid))
                        folder.rename(name, disk_name(disk_uuid))
                status = DiskStatus(
                    disk_uuid=disk_uuid,
                    size_bytes=wanted.size_bytes,
                    allocation_bytes=THIN_BYTES,
                    image_uuid=None if wanted.takes_image else wanted.image_uuid,
                )
            refuse_other_image(status, wanted)
            if wanted.size_bytes > status.size_bytes:
                refuse_disk_in_use(self._users_of(folder.file_path(disk_name(disk_uuid)), running_only=True))
                status = dataclasses.replace(status, size_bytes=wanted.size_bytes)
        self._disks[key] = status
        return status

    async def delete_disk(self, pool: str, disk_uuid: uuid.UUID) -> Deleted:
        await self._answer()
        with self._folder(pool) as folder:
            if (pool, disk_uuid) in self._disks:
                refuse_disk_in_use(self._users_of(folder.file_path(disk_name(disk_uuid))))
            folder.unlink(disk_name(disk_uuid))
        return Deleted(was_there=self._disks.pop((pool, disk_uuid), None) is not None)

    async def require_idle_disk(self, pool: str, disk_uuid: uuid.UUID) -> None:
        """Who asks that is about to copy the disk, which therefore becomes a file."""
        await self._answer()
        status, name = self._disk(pool, disk_uuid), disk_name(disk_uuid)
        with self._folder(pool) as folder:
            refuse_disk_in_use(self._users_of(folder.file_path(name), running_only=True))
            if folder.size(name) is None:
                QemuImg(folder.descriptor).create(name, size_bytes=status.size_bytes)

    async def make_seed(self, pool: str, vm_uuid: uuid.UUID, wanted: SeedSpec) -> SeedStatus:
        await self._answer()
        self._folder(pool).close()
        self._refuse_full(pool)
        self.seeds[pool, vm_uuid] = wanted
        return SeedStatus(vm_uuid=vm_uuid, size_bytes=SEED_BYTES)

    async def delete_seed(self, pool: str, vm_uuid: uuid.UUID) -> Deleted:
        await self._answer()
        with self._folder(pool) as folder:
            path = folder.file_path(seed_name(vm_uuid))
        if (domain := self._domains.get(vm_uuid)) is not None:
            disks = tuple(
                dataclasses.replace(disk, source="") if disk.source == path else disk for disk in domain.disks
            )
            if disks != domain.disks:
                self._put(dataclasses.replace(domain, disks=disks))
        return Deleted(was_there=self.seeds.pop((pool, vm_uuid), None) is not None)

    def _disk(self, pool: str, disk_uuid: uuid.UUID) -> DiskStatus:
        self._folder(pool).close()
        if (pool, disk_uuid) not in self._disks:
            raise VolumeNotFound(f"The pool “{pool}” has no such disk.")
        return self._disks[pool, disk_uuid]

    def _folder(self, pool: str) -> PoolFolder:
        """The folder of a pool, made at its first use."""
        if pool not in self.pool_names:
            raise PoolNotFound(f"This host has no pool “{pool[:60]}”.")
        if pool not in self._folders:
            self._folders[pool] = tempfile.TemporaryDirectory(prefix="eve-agent-fake-")
        return PoolFolder(self._folders[pool].name)

    def _pool(self, name: str) -> Pool:
        free_bytes = self._free_bytes(name)
        with self._folder(name) as folder:
            return Pool(
                name=name,
                kind="dir",
                path=folder.path,
                is_active=True,
                is_usable=True,
                capacity_bytes=POOL_BYTES,
                allocation_bytes=POOL_BYTES - free_bytes,
                available_bytes=free_bytes,
            )

    def _refuse_full(self, pool: str) -> None:
        if pool in self.full_pools:
            raise NoSpace("The pool has no space left. Nothing was lost; make room there and try again.")

    def _users_of(self, path: str, *, running_only: bool = False) -> list[str]:
        return [
            domain.name
            for domain in self._domains.values()
            if any(disk.source == path for disk in domain.disks)
            and not (running_only and domain.state is DomainState.OFF)
        ]


def _file_volume(folder: PoolFolder, name: str) -> Volume:
    kind, found = named(name)
    return Volume(name=name, kind=kind, uuid=found, allocation_bytes=folder.size(name) or 0)


def _volume(status: DiskStatus) -> Volume:
    return Volume(
        name=disk_name(status.disk_uuid),
        kind=VolumeKind.DISK,
        uuid=status.disk_uuid,
        format="qcow2",
        capacity_bytes=status.size_bytes,
        allocation_bytes=status.allocation_bytes,
        backing=image_name(status.image_uuid) if status.image_uuid is not None else "",
    )
