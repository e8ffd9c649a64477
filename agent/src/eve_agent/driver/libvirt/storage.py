"""Pools, disks and seeds of a session: files by the agent's own hand, ties and sizes by libvirt's word."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

from eve_agent.driver.pools import PoolFolder, QemuImg, seed_image
from eve_agent.driver.pools.folder import disk_name, image_name, named, seed_name, write_whole
from eve_agent.driver.pools.sizes import DIR, pool_sizes
from eve_agent.driver.rules import (
    check_disk_over_image,
    refuse_disk_in_use,
    refuse_image_in_use,
    refuse_other_image,
)
from eve_agent.driver.xml import DomainDocument, MalformedXml, read_pool_kind, read_pool_path, read_volume, with_disc
from eve_agent.errors import ImageNotFound, PoolNotFound, PoolUnusable, VolumeNotFound
from eve_agent.wire.storage import (
    Deleted,
    DiskSpec,
    DiskStatus,
    Pool,
    SeedSpec,
    SeedStatus,
    Volume,
    VolumeKind,
)

from .binding import Code, Flag, LibvirtError
from .calls import Calls, listed, translating
from .trays import drive_update


class StorageCalls(Calls):
    """See :class:`~eve_agent.driver.host.Session`."""

    @translating
    def pools(self) -> tuple[Pool, ...]:
        """All pools by name; one that vanishes meanwhile is left out."""
        found = []
        for pool in listed(self._connection.listAllStoragePools):
            with self._passing_over(Code.NO_POOL):
                found.append(_pool(pool))
        return tuple(sorted(found, key=lambda pool: pool.name))

    @translating
    def volumes(self, pool: str) -> tuple[Volume, ...]:
        """What a pool holds, after a look at what is there now."""
        opened = self._pool(pool)
        if not opened.isActive():
            raise PoolUnusable(f"The pool “{pool}” is not active: virsh pool-start {pool}")
        _refresh(opened)
        found = []
        for volume in opened.listAllVolumes():
            with self._passing_over(Code.NO_VOLUME):
                found.append(_volume(volume))
        return tuple(sorted(found, key=lambda volume: volume.name))

    @translating
    def pool_folder(self, pool: str) -> PoolFolder:
        """The folder of a pool that Eve writes to."""
        return PoolFolder(self._usable(pool).path)

    @translating
    def delete_image(self, pool: str, image_uuid: uuid.UUID) -> Deleted:
        """Deletes an image that nothing uses."""
        with self._folder(pool) as (opened, folder), folder.lock:
            name = image_name(image_uuid)
            if folder.size(name) is None:
                return Deleted(was_there=False)
            refuse_image_in_use(self._users_of_image(opened, folder, name))
            was_there = folder.unlink(name)
            _refresh(opened)
            return Deleted(was_there=was_there)

    @translating
    def disk(self, pool: str, disk_uuid: uuid.UUID) -> DiskStatus:
        """One disk."""
        with self._folder(pool) as (opened, folder):
            if folder.size(disk_name(disk_uuid)) is None:
                raise VolumeNotFound("The pool has no such disk.")
            return _disk_status(opened, disk_uuid)

    @translating
    def make_disk(self, pool: str, disk_uuid: uuid.UUID, wanted: DiskSpec) -> DiskStatus:
        """Makes a disk, or grows it."""
        name = disk_name(disk_uuid)
        with self._folder(pool) as (opened, folder), folder.lock:
            qemu_img = QemuImg(folder.descriptor)
            if folder.size(name) is None and wanted.takes_image:
                self._take_image(opened, folder, name, wanted)
            if folder.size(name) is None:
                self._create_disk(folder, qemu_img, name, wanted)
            else:
                status = _disk_status(opened, disk_uuid)
                refuse_other_image(status, wanted)
                if wanted.size_bytes <= status.size_bytes:
                    return status
                refuse_disk_in_use(self._users_of(folder.file_path(name), running_only=True))
                folder.require_space(0)
                qemu_img.resize(name, wanted.size_bytes)
            return _disk_status(opened, disk_uuid)

    @translating
    def delete_disk(self, pool: str, disk_uuid: uuid.UUID) -> Deleted:
        """Deletes a disk that no domain has."""
        with self._folder(pool) as (opened, folder), folder.lock:
            return self._delete_disk(opened, folder, disk_uuid)

    @translating
    def require_idle_disk(self, pool: str, disk_uuid: uuid.UUID) -> None:
        """Refuses a disk that is not there, or that a running domain has."""
        with self._folder(pool) as (_, folder):
            if folder.size(disk_name(disk_uuid)) is None:
                raise VolumeNotFound("The pool has no such disk.")
            refuse_disk_in_use(self._users_of(folder.file_path(disk_name(disk_uuid)), running_only=True))

    @translating
    def make_seed(self, pool: str, vm_uuid: uuid.UUID, wanted: SeedSpec) -> SeedStatus:
        """Writes a seed, in one step, and puts it into the running guest's drive as well."""
        data = seed_image(wanted)
        with self._folder(pool) as (opened, folder):
            name = seed_name(vm_uuid)
            write_whole(folder, name, data)
            with self._passing_over(Code.NO_DOMAIN):
                self._reinsert(self._lookup(vm_uuid), folder.file_path(name))
            _refresh(opened)
        return SeedStatus(vm_uuid=vm_uuid, size_bytes=len(data))

    @translating
    def delete_seed(self, pool: str, vm_uuid: uuid.UUID) -> Deleted:
        """Ejects a seed and deletes it."""
        with self._folder(pool) as (opened, folder):
            name = seed_name(vm_uuid)
            with self._passing_over(Code.NO_DOMAIN):
                self._eject(self._lookup(vm_uuid), folder.file_path(name))
            was_there = folder.unlink(name)
            _refresh(opened)
            return Deleted(was_there=was_there)

    def _create_disk(self, folder: PoolFolder, qemu_img: QemuImg, name: str, wanted: DiskSpec) -> None:
        folder.require_space(1)
        backing = ""
        if wanted.image_uuid is not None:
            backing = image_name(wanted.image_uuid)
            if folder.size(backing) is None:
                raise ImageNotFound("The pool has no such image; was it deleted meanwhile?")
            check_disk_over_image(wanted, qemu_img.inspect(backing, wanted.image_format).virtual_bytes)
        with folder.writing(name) as temporary:
            qemu_img.create(
                temporary, size_bytes=wanted.size_bytes, backing=backing, backing_format=wanted.image_format
            )

    def _take_image(self, opened: Any, folder: PoolFolder, name: str, wanted: DiskSpec) -> None:
        """One rename; what the disk has then is found as of one that is there."""
        assert wanted.image_uuid is not None
        source = image_name(wanted.image_uuid)
        if folder.size(source) is None:
            raise ImageNotFound("The pool has no such image; was it deleted meanwhile?")
        check_disk_over_image(wanted, QemuImg(folder.descriptor).inspect(source, wanted.image_format).virtual_bytes)
        refuse_image_in_use(self._users_of_image(opened, folder, source))
        folder.restrict(source)
        folder.rename(source, name)
        _refresh(opened)

    def _users_of_image(self, opened: Any, folder: PoolFolder, name: str) -> list[str]:
        """Domains that have it, and disks that are thin over it."""
        _refresh(opened)
        thin = [volume.name for volume in map(_volume, opened.listAllVolumes()) if volume.backing == name]
        return [*self._users_of(folder.file_path(name)), *thin]

    def _delete_disk(self, opened: Any, folder: PoolFolder, disk_uuid: uuid.UUID) -> Deleted:
        name = disk_name(disk_uuid)
        folder.sweep()
        if folder.size(name) is None:
            return Deleted(was_there=False)
        refuse_disk_in_use(self._users_of(folder.file_path(name)))
        was_there = folder.unlink(name)
        _refresh(opened)
        return Deleted(was_there=was_there)

    def _eject(self, domain: Any, path: str) -> None:
        """Takes a disc out of a drive, at once and for good."""
        for flags, affects in ((Flag.CONFIG, Flag.XML_INACTIVE), (Flag.LIVE, 0)):
            if flags == Flag.LIVE and not domain.isActive():
                continue
            device = DomainDocument(domain.XMLDesc(affects)).disk_at(path)
            if device is not None:
                drive_update(domain, with_disc(device.xml, ""), flags)

    def _reinsert(self, domain: Any, path: str) -> None:
        """Has a running QEMU open the file of a drive anew: until then it has the one that was there before, though that has no name any more."""
        device = DomainDocument(domain.XMLDesc(Flag.XML_INACTIVE)).disk_at(path)
        if device is None or not domain.isActive():
            return
        if DomainDocument(domain.XMLDesc(0)).disk_at(path) is not None:
            drive_update(domain, with_disc(device.xml, ""), Flag.LIVE)
        drive_update(domain, with_disc(device.xml, path), Flag.LIVE)

    def _users_of(self, path: str, *, running_only: bool = False) -> list[str]:
        """Names of domains that have the file as a disk, in a drive, or beneath a disk: now, or at their next start."""
        users = []
        for domain in self._connection.listAllDomains():
            with self._passing_over(Code.NO_DOMAIN):
                is_active = bool(domain.isActive())
                if running_only and not is_active:
                    continue
                texts = [domain.XMLDesc(0)] if running_only else [domain.XMLDesc(0), domain.XMLDesc(Flag.XML_INACTIVE)]
                with contextlib.suppress(MalformedXml):
                    if any(path in DomainDocument(text).paths for text in texts):
                        users.append(domain.name())
        return users

    def _pool(self, name: str) -> Any:
        try:
            return self._connection.storagePoolLookupByName(name)
        except LibvirtError as error:
            if error.get_error_code() not in (Code.NO_POOL, Code.NO_SUPPORT):
                raise
            raise PoolNotFound(f"This host has no pool “{name[:60]}”.") from None

    def _usable(self, name: str) -> Pool:
        found = _pool(self._pool(name))
        if not found.is_usable:
            raise PoolUnusable(found.why_not)
        return found

    @contextlib.contextmanager
    def _folder(self, name: str) -> Iterator[tuple[Any, PoolFolder]]:
        opened = self._pool(name)
        found = _pool(opened)
        if not found.is_usable:
            raise PoolUnusable(found.why_not)
        with PoolFolder(found.path) as folder:
            yield opened, folder


def _pool(pool: Any) -> Pool:
    text, name, is_active = pool.XMLDesc(0), pool.name(), bool(pool.isActive())
    kind, path = read_pool_kind(text), read_pool_path(text)
    why_not = ""
    if kind != DIR:
        why_not = f"The pool “{name}” is of the kind {kind}; Eve puts disks into folders (dir) only."
    elif not is_active:
        why_not = f"The pool “{name}” is not active: virsh pool-start {name}"
    capacity_bytes, allocation_bytes, available_bytes = pool_sizes(pool, text) if is_active else (0, 0, 0)
    return Pool(
        name=name,
        kind=kind,
        path=path,
        is_active=is_active,
        is_usable=not why_not,
        why_not=why_not,
        capacity_bytes=capacity_bytes,
        allocation_bytes=allocation_bytes,
        available_bytes=available_bytes,
    )


def _volume(volume: Any) -> Volume:
    name = volume.name()
    kind, found = named(name)
    declared, backing = read_volume(volume.XMLDesc(0))
    _, capacity_bytes, allocation_bytes = volume.info()
    return Volume(
        name=name,
        kind=kind,
        uuid=found if kind is not VolumeKind.OTHER else None,
        format=declared,
        capacity_bytes=capacity_bytes,
        allocation_bytes=allocation_bytes,
        backing=backing.rpartition("/")[2],
    )


def _disk_status(opened: Any, disk_uuid: uuid.UUID) -> DiskStatus:
    _refresh(opened)
    try:
        found = _volume(opened.storageVolLookupByName(disk_name(disk_uuid)))
    except LibvirtError as error:
        if error.get_error_code() != Code.NO_VOLUME:
            raise
        raise VolumeNotFound("The pool has no such disk.") from None
    kind, image_uuid = named(found.backing)
    return DiskStatus(
        disk_uuid=disk_uuid,
        size_bytes=found.capacity_bytes,
        allocation_bytes=found.allocation_bytes,
        image_uuid=image_uuid if kind is VolumeKind.IMAGE else None,
    )


def _refresh(opened: Any) -> None:
    """Has libvirt look at the folder anew. It refuses while it is at work there itself, and looks by itself then."""
    with contextlib.suppress(LibvirtError):
        opened.refresh(0)
