"""How what a machine is made of is changed on its host. Each step finds out what an earlier try has done."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from django.db import transaction
from eve_agent.wire.domain import Resources
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.spec import CdromSlot, DiskSize

from common.sentences import gettext_lazy as _
from hypervisors.errors import AgentRefused
from operations.handlers import register
from operations.run import OperationRun
from vms.disks import disks_keep
from vms.facts import needs_restart
from vms.imaging import image_ensure
from vms.models import Disk, Image, Nic, Vm
from vms.placement import pool_of
from vms.services.hardware import CD, DISK_ADD, DISK_GROW, DISK_REMOVE, NIC_ADD, NIC_REMOVE, RESIZE

from . import specs
from .on_host import OnHost, on_host, passing_over, undone_on_host


def unresize(run: OperationRun) -> None:
    """What was agreed before is agreed again, and the host told so: it may have done a part."""
    vcpus, memory_bytes = run.operation.arguments["before"]
    Vm.objects.filter(pk=run.operation.target_id).update(vcpus=vcpus, memory_bytes=memory_bytes)
    with undone_on_host(run) as at:
        if at is not None:
            change = specs.resources_change(vcpus, memory_bytes, operation_id=run.operation.pk)
            with suppress(AgentRefused):  # what it has then is told as a difference
                at.agent.resources_change(at.vm.pk, change)
                at.saw(at.agent.domain(at.vm.pk))


@register(RESIZE, is_idempotent=True, undo=unresize)
def resize(run: OperationRun) -> None:
    """Another number of vCPUs and amount of memory; the result says what is so already and what at the next start."""
    with on_host(run) as at:
        run.step("resources", _("Changing vCPUs and memory"), percent=20)
        wanted = run.operation.arguments
        change = specs.resources_change(wanted["vcpus"], wanted["memory_bytes"], operation_id=run.operation.pk)
        status = at.agent.resources_change(at.vm.pk, change)
        at.saw(at.agent.domain(at.vm.pk))
        then = status.next_start
        now = status.live or then
        run.result = {"now": _size(now), "next_start": _size(then), "needs_restart": needs_restart(now, then)}


def disk_unadd(run: OperationRun) -> None:
    """Takes back a disk that could not be added."""
    with undone_on_host(run) as at:
        if at is not None:
            run.step("remove", _("Removing what was begun"), percent=run.operation.progress)
            _disk_end(at)


@register(DISK_ADD, is_idempotent=True, undo=disk_unadd)
def disk_add(run: OperationRun) -> None:
    """A new disk."""
    with on_host(run) as at:
        disk = Disk.objects.get(pk=at.argument("disk"))
        run.step("disk", _("Making the disk"), percent=20)
        at.agent.disk_make(disk.pool, disk.pk, specs.disk_spec(disk, operation_id=run.operation.pk))
        run.step("attach", _("Adding it to the machine"), percent=60)
        at.saw(at.agent.disk_attach(at.vm.pk, specs.disk_slot(disk, operation_id=run.operation.pk)))
        run.result = {"disk": str(disk.pk)}


def disk_ungrow(run: OperationRun) -> None:
    """The disk is as large as it is on the host."""
    with undone_on_host(run) as at:
        disk = Disk.objects.filter(pk=run.operation.arguments["disk"]).first()
        if at is not None and disk is not None:
            size_bytes = at.agent.disk(disk.pool, disk.pk).size_bytes
            Disk.objects.filter(pk=disk.pk).update(size_bytes=size_bytes)


@register(DISK_GROW, is_idempotent=True, undo=disk_ungrow)
def disk_grow(run: OperationRun) -> None:
    """A larger disk."""
    with on_host(run) as at:
        run.step("grow", _("Making the disk larger"), percent=20)
        size = DiskSize(size_bytes=run.operation.arguments["size_bytes"], operation_id=run.operation.pk)
        at.saw(at.agent.disk_grow(at.vm.pk, UUID(at.argument("disk")), size))


@register(DISK_REMOVE, is_idempotent=True)
def disk_remove(run: OperationRun) -> None:
    """A disk less."""
    with on_host(run) as at:
        run.step("remove", _("Taking the disk away"), percent=20)
        _disk_end(at)


def nic_unadd(run: OperationRun) -> None:
    """Takes back a network card that could not be added."""
    with undone_on_host(run) as at:
        if at is not None:
            run.step("remove", _("Removing what was begun"), percent=run.operation.progress)
            _nic_end(at)


@register(NIC_ADD, is_idempotent=True, undo=nic_unadd)
def nic_add(run: OperationRun) -> None:
    """A new network card."""
    with on_host(run) as at:
        run.step("attach", _("Adding the network card"), percent=20)
        nic = Nic.objects.get(mac=at.argument("mac"))
        at.saw(at.agent.nic_attach(at.vm.pk, specs.nic_slot(nic, operation_id=run.operation.pk)))
        run.result = {"mac": nic.mac}


@register(NIC_REMOVE, is_idempotent=True)
def nic_remove(run: OperationRun) -> None:
    """A network card less."""
    with on_host(run) as at:
        run.step("remove", _("Taking the network card away"), percent=20)
        _nic_end(at)


@register(CD, is_idempotent=True, can_cancel=True)
def cd_change(run: OperationRun) -> None:
    """Another disc in the drive, or none. Eve's row follows once the drive has it: an image in use is not deleted before."""
    with on_host(run) as at:
        wanted = run.operation.arguments["image"]
        image = Image.objects.get(pk=wanted) if wanted else None
        pool = pool_of(at.vm) if image else ""
        if image:
            run.step("image", _("Getting image %(name)s ready on the host") % {"name": image.name}, percent=5)
            image_ensure(run, agent=at.agent, image=image, hypervisor=at.vm.hypervisor, pool=pool, until_percent=80)
        run.step("cd", _("Changing the disc"), percent=85, is_final=True)
        slot = CdromSlot(pool=pool, image_uuid=image.pk if image else None, operation_id=run.operation.pk)
        domain = at.agent.cdrom_change(at.vm.pk, slot)
        Vm.objects.filter(pk=at.vm.pk).update(cd_image=image)
        at.saw(domain)


def _size(given: Resources) -> dict[str, int]:
    return {"vcpus": given.vcpus, "memory_bytes": given.memory_bytes}


def _disk_end(at: OnHost) -> None:
    disk = Disk.objects.filter(pk=at.argument("disk")).first()
    if disk is None:
        return
    with passing_over(ErrorCode.DEVICE_NOT_FOUND, ErrorCode.DOMAIN_NOT_FOUND):
        at.saw(at.agent.disk_detach(at.vm.pk, disk.pk, operation_id=at.run.operation.pk))
    disks_keep(Disk.objects.filter(pk=disk.pk), name=at.vm.name)  # what cannot be deleted now is not lost
    with passing_over(ErrorCode.VOLUME_NOT_FOUND):
        at.agent.disk_delete(disk.pool, disk.pk)
    disk.delete()


def _nic_end(at: OnHost) -> None:
    mac = at.argument("mac")
    with passing_over(ErrorCode.DEVICE_NOT_FOUND, ErrorCode.DOMAIN_NOT_FOUND):
        at.saw(at.agent.nic_detach(at.vm.pk, mac, operation_id=at.run.operation.pk))
    with transaction.atomic():
        Nic.objects.filter(vm=at.vm, mac=mac).delete()
