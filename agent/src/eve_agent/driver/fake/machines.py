"""Making, changing and deleting the made-up hypervisor's guests."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterable

from eve_agent.driver.pools.folder import disk_name, image_name, seed_name
from eve_agent.driver.rules import (
    capped,
    refuse_beyond_host,
    refuse_disk_in_use,
    refuse_foreign,
    refuse_shrinking,
)
from eve_agent.driver.xml.build import CD_TARGET, SEED_TARGET, free_target
from eve_agent.driver.xml.devices import CDROM
from eve_agent.errors import DeviceNotFound, DomainExists, ImageNotFound, NameTaken, NetworkNotFound, VolumeNotFound
from eve_agent.wire.domain import Disk, Domain, DomainState, Nic, Resources
from eve_agent.wire.spec import (
    CdromSlot,
    DiskSlot,
    DomainDelete,
    DomainSpec,
    NicKind,
    NicSlot,
    ResourcesChange,
    ResourcesStatus,
)
from eve_agent.wire.storage import Deleted

from .core import BRIDGE, MEMORY_BYTES, NETWORK, THREADS, VNC, with_resources
from .storage import FakeStorage


class FakeMachines(FakeStorage):
    """See :class:`~eve_agent.driver.fake.FakeDriver`."""

    async def define_domain(self, wanted: DomainSpec) -> Domain:
        await self._answer()
        if (existing := self._domains.get(wanted.uuid)) is not None:
            if not existing.is_made_by_eve:
                raise DomainExists(
                    f"This host has a virtual machine of that id, “{existing.name}”, that Eve did not make."
                )
            return existing
        if any(domain.name == wanted.name for domain in self._domains.values()):
            raise NameTaken(f"Another virtual machine of this host is named “{wanted.name}”.")
        refuse_beyond_host(wanted, threads=THREADS, memory_bytes=MEMORY_BYTES)
        vcpus_max, memory_max_bytes = capped(wanted, threads=THREADS, memory_bytes=MEMORY_BYTES)
        return self._put(
            Domain(
                uuid=wanted.uuid,
                name=wanted.name,
                state=DomainState.OFF,
                vcpus=wanted.vcpus,
                vcpus_max=vcpus_max,
                memory_bytes=wanted.memory_bytes,
                memory_max_bytes=memory_max_bytes,
                is_autostarted=wanted.is_autostarted,
                firmware=wanted.firmware.value,
                disks=self._devices_of(wanted),
                nics=tuple(self._nic(slot) for slot in wanted.nics),
                graphics=(VNC,),
                has_serial=True,
                title=wanted.title,
                is_made_by_eve=True,
            )
        )

    async def delete_domain(self, domain_uuid: uuid.UUID, wanted: DomainDelete) -> Deleted:
        await self._answer()
        domain = self._domains.get(domain_uuid)
        if domain is not None:
            refuse_foreign(domain.name, has_mark=domain.is_made_by_eve)
        for disk in wanted.disks:
            with self._folder(disk.pool) as folder:
                users = self._users_of(folder.file_path(disk_name(disk.disk_uuid)))
            refuse_disk_in_use([user for user in users if domain is None or user != domain.name])
        if domain is not None:
            self.remove(domain_uuid)
        for disk in wanted.disks:
            await self.delete_disk(disk.pool, disk.disk_uuid)
        if wanted.seed_pool:
            await self.delete_seed(wanted.seed_pool, domain_uuid)
        return Deleted(was_there=domain is not None)

    async def change_resources(self, domain_uuid: uuid.UUID, wanted: ResourcesChange) -> ResourcesStatus:
        await self._answer()
        refuse_beyond_host(wanted, threads=THREADS, memory_bytes=MEMORY_BYTES)
        domain = self._get(domain_uuid)
        planned = domain.next_start or _resources(domain)
        vcpus_max, memory_max_bytes = capped(wanted, threads=THREADS, memory_bytes=MEMORY_BYTES)
        then = Resources(
            vcpus=wanted.vcpus,
            vcpus_max=vcpus_max if wanted.vcpus_max else max(planned.vcpus_max, wanted.vcpus),
            memory_bytes=wanted.memory_bytes,
            memory_max_bytes=(
                memory_max_bytes if wanted.memory_max_bytes else max(planned.memory_max_bytes, wanted.memory_bytes)
            ),
        )
        if domain.state is DomainState.OFF:
            self._put(with_resources(domain, then))
            return ResourcesStatus(next_start=then)
        now = dataclasses.replace(
            _resources(domain),
            **({"vcpus": wanted.vcpus} if wanted.vcpus <= domain.vcpus_max else {}),
            **({"memory_bytes": wanted.memory_bytes} if wanted.memory_bytes <= domain.memory_max_bytes else {}),
        )
        if now.vcpus > domain.vcpus:
            self._plugged.add(domain_uuid)
        after = with_resources(domain, now)
        self._put(dataclasses.replace(after, next_start=then if then != now else None))
        return ResourcesStatus(next_start=then, live=now)

    async def attach_disk(self, domain_uuid: uuid.UUID, wanted: DiskSlot) -> Domain:
        await self._answer()
        domain = self._get(domain_uuid)
        if any(disk.uuid == wanted.disk_uuid for disk in domain.disks):
            return domain
        disk = self._attached(wanted, [disk.target for disk in domain.disks])
        return self._put(dataclasses.replace(domain, disks=(*domain.disks, disk)))

    async def detach_disk(self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID) -> Domain:
        await self._answer()
        domain = self._get(domain_uuid)
        kept = tuple(disk for disk in domain.disks if disk.uuid != disk_uuid)
        return domain if kept == domain.disks else self._put(dataclasses.replace(domain, disks=kept))

    async def grow_disk(self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID, size_bytes: int) -> Domain:
        await self._answer()
        domain = self._get(domain_uuid)
        for disk in domain.disks:
            if disk.uuid == disk_uuid:
                refuse_shrinking(disk.capacity_bytes, size_bytes)
                break
        else:
            raise DeviceNotFound(f"“{domain.name}” has no such disk.")
        for key, status in self._disks.items():
            if key[1] == disk_uuid:
                self._disks[key] = dataclasses.replace(status, size_bytes=size_bytes)
        return self._map_disks(
            domain,
            lambda disk: dataclasses.replace(disk, capacity_bytes=size_bytes) if disk.uuid == disk_uuid else disk,
        )

    async def attach_nic(self, domain_uuid: uuid.UUID, wanted: NicSlot) -> Domain:
        await self._answer()
        domain = self._get(domain_uuid)
        if any(nic.mac == wanted.mac for nic in domain.nics):
            return domain
        return self._put(dataclasses.replace(domain, nics=(*domain.nics, self._nic(wanted))))

    async def detach_nic(self, domain_uuid: uuid.UUID, mac: str) -> Domain:
        await self._answer()
        domain = self._get(domain_uuid)
        kept = tuple(nic for nic in domain.nics if nic.mac != mac)
        return domain if kept == domain.nics else self._put(dataclasses.replace(domain, nics=kept))

    async def change_cdrom(self, domain_uuid: uuid.UUID, wanted: CdromSlot) -> Domain:
        await self._answer()
        domain, path = self._get(domain_uuid), self._disc_path(wanted)
        if not any(disk.target == CD_TARGET for disk in domain.disks):
            raise DeviceNotFound(f"“{domain.name}” has no CD drive.")
        return self._map_disks(
            domain,
            lambda disk: (
                dataclasses.replace(disk, source=path, uuid=wanted.image_uuid) if disk.target == CD_TARGET else disk
            ),
        )

    async def set_boot_order(self, domain_uuid: uuid.UUID, devices: tuple[str, ...]) -> Domain:
        await self._answer()
        domain = self._get(domain_uuid)
        known = {_boot_name(disk) for disk in domain.disks} | {nic.mac for nic in domain.nics}
        for name in devices:
            if name not in known:
                raise DeviceNotFound(f"“{domain.name}” has no device “{name[:60]}”.")

        def order(name: str) -> int:
            return devices.index(name) + 1 if name in devices else 0

        return self._put(
            dataclasses.replace(
                domain,
                disks=tuple(dataclasses.replace(disk, boot_order=order(_boot_name(disk))) for disk in domain.disks),
                nics=tuple(dataclasses.replace(nic, boot_order=order(nic.mac)) for nic in domain.nics),
            )
        )

    async def set_title(self, domain_uuid: uuid.UUID, title: str) -> Domain:
        await self._answer()
        return self._put(dataclasses.replace(self._get(domain_uuid), title=title))

    async def set_autostart(self, domain_uuid: uuid.UUID, *, is_autostarted: bool) -> Domain:
        await self._answer()
        return self._put(dataclasses.replace(self._get(domain_uuid), is_autostarted=is_autostarted))

    def _map_disks(self, domain: Domain, change: Callable[[Disk], Disk]) -> Domain:
        return self._put(dataclasses.replace(domain, disks=tuple(change(disk) for disk in domain.disks)))

    def _devices_of(self, wanted: DomainSpec) -> tuple[Disk, ...]:
        disks: list[Disk] = []
        for slot in wanted.disks:
            disks.append(self._attached(slot, [disk.target for disk in disks]))
        disks.append(
            Disk(
                target=CD_TARGET,
                device="cdrom",
                bus="scsi",
                format="raw",
                source=self._disc_path(wanted.cdrom),
                is_read_only=True,
                uuid=wanted.cdrom.image_uuid,
                boot_order=wanted.cdrom.boot_order,
            )
        )
        if wanted.seed_pool:
            with self._folder(wanted.seed_pool) as folder:
                path = folder.file_path(seed_name(wanted.uuid))
            if (wanted.seed_pool, wanted.uuid) not in self.seeds:
                raise VolumeNotFound(f"The pool “{wanted.seed_pool}” has no seed of this virtual machine.")
            seed = Disk(SEED_TARGET, device="cdrom", bus="scsi", format="raw", source=path, is_read_only=True)
            disks.append(seed)
        return tuple(disks)

    def _attached(self, slot: DiskSlot, taken: Iterable[str]) -> Disk:
        status = self._disk(slot.pool, slot.disk_uuid)
        with self._folder(slot.pool) as folder:
            path = folder.file_path(disk_name(slot.disk_uuid))
        refuse_disk_in_use(self._users_of(path))
        return Disk(
            target=free_target(slot.bus, taken),
            bus=slot.bus.value,
            format="qcow2",
            source=path,
            capacity_bytes=status.size_bytes,
            uuid=slot.disk_uuid,
            boot_order=slot.boot_order,
        )

    def _disc_path(self, slot: CdromSlot) -> str:
        if slot.image_uuid is None:
            return ""
        with self._folder(slot.pool) as folder:
            if folder.size(image_name(slot.image_uuid)) is None:
                raise ImageNotFound(f"The pool “{slot.pool}” has no such image; was it deleted meanwhile?")
            return folder.file_path(image_name(slot.image_uuid))

    def _nic(self, slot: NicSlot) -> Nic:
        if slot.source != (NETWORK if slot.kind is NicKind.NETWORK else BRIDGE):
            raise NetworkNotFound(f"This host has no {slot.kind.value} “{slot.source}”.")
        return Nic(
            mac=slot.mac,
            kind=slot.kind.value,
            source=slot.source,
            model=slot.model.value,
            boot_order=slot.boot_order,
        )


def _boot_name(disk: Disk) -> str:
    return CDROM if disk.device == "cdrom" and disk.target == CD_TARGET else str(disk.uuid)


def _resources(domain: Domain) -> Resources:
    return Resources(
        vcpus=domain.vcpus,
        vcpus_max=domain.vcpus_max,
        memory_bytes=domain.memory_bytes,
        memory_max_bytes=domain.memory_max_bytes,
    )
