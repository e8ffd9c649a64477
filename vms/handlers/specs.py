"""What an agent is told of a VM: rows to the messages of the contract. Decides nothing."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from eve_agent.wire.checks import MAX_MEMORY_BYTES, MAX_VCPUS
from eve_agent.wire.spec import (
    CdromSlot,
    DiskBus,
    DiskSlot,
    DomainDelete,
    DomainSpec,
    Firmware,
    NicKind,
    NicModel,
    NicSlot,
    PoolDisk,
    ResourcesChange,
)
from eve_agent.wire.storage import DiskSpec, ImageFormat

from vms.models import Disk, ImageKind, Nic, Seed, Vm
from vms.placement import pool_of

_CD_FIRST = 1


def domain_spec(vm: Vm, *, seed: Seed | None, operation_id: UUID) -> DomainSpec:
    """The whole domain. With a CD it boots from that first, and from the disk once there is a system on it."""
    has_cd = vm.cd_image is not None
    pool = pool_of(vm) if has_cd else ""
    return DomainSpec(
        uuid=vm.pk,
        name=vm.domain_name,
        title=vm.name,
        vcpus=vm.vcpus,
        memory_bytes=vm.memory_bytes,
        vcpus_max=vcpus_most(vm.vcpus),
        memory_max_bytes=memory_most(vm.memory_bytes),
        firmware=Firmware(vm.firmware),
        disks=tuple(
            disk_slot(disk, boot_order=0 if number else 1 + has_cd) for number, disk in enumerate(vm.disks.all())
        ),
        nics=tuple(nic_slot(nic) for nic in vm.nics.all()),
        cdrom=CdromSlot(pool=pool, image_uuid=vm.cd_image_id, boot_order=_CD_FIRST) if has_cd else CdromSlot(),
        seed_pool=seed.pool if seed else "",
        is_autostarted=vm.is_autostarted,
        operation_id=operation_id,
    )


def vcpus_most(vcpus: int) -> int:
    """How many it may be given while it runs; its host cuts that to what it has."""
    return min(MAX_VCPUS, vcpus * settings.VCPU_ROOM)


def memory_most(memory_bytes: int) -> int:
    """How much it may be given while it runs; its host cuts that to what it has."""
    return min(MAX_MEMORY_BYTES, memory_bytes * settings.MEMORY_ROOM)


def resources_change(vcpus: int, memory_bytes: int, *, operation_id: UUID) -> ResourcesChange:
    """Another size, with room to grow from the next start on."""
    return ResourcesChange(
        vcpus=vcpus,
        memory_bytes=memory_bytes,
        vcpus_max=vcpus_most(vcpus),
        memory_max_bytes=memory_most(memory_bytes),
        operation_id=operation_id,
    )


def disk_slot(disk: Disk, *, boot_order: int = 0, operation_id: UUID | None = None) -> DiskSlot:
    """One disk as a device."""
    return DiskSlot(
        disk_uuid=disk.pk,
        pool=disk.pool,
        bus=DiskBus(disk.bus),
        boot_order=boot_order,
        operation_id=operation_id,
    )


def nic_slot(nic: Nic, *, operation_id: UUID | None = None) -> NicSlot:
    """One network card as a device."""
    return NicSlot(
        mac=nic.mac,
        source=nic.source,
        kind=NicKind(nic.kind),
        model=NicModel(nic.model),
        operation_id=operation_id,
    )


def disk_spec(disk: Disk, *, operation_id: UUID) -> DiskSpec:
    """One disk: thin over its image, or empty."""
    image = disk.image if disk.image and disk.image.kind == ImageKind.CLOUD else None
    return DiskSpec(
        size_bytes=disk.size_bytes,
        image_uuid=image.pk if image else None,
        image_format=ImageFormat(image.format) if image else ImageFormat.QCOW2,
        operation_id=operation_id,
    )


def domain_delete(vm: Vm, *, keeps_disks: bool, operation_id: UUID) -> DomainDelete:
    """Its end; the seed goes in any case."""
    seed = vm.seeds.first()
    return DomainDelete(
        disks=() if keeps_disks else tuple(PoolDisk(pool=disk.pool, disk_uuid=disk.pk) for disk in vm.disks.all()),
        seed_pool=seed.pool if seed else "",
        operation_id=operation_id,
    )
