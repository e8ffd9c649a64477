"""How a machine gets another first disk: the new one is made first, the old one is deleted last, and until then all can be taken back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from eve_agent.wire.domain import StateAction
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.spec import DomainDelete

from common.errors import EveError
from common.sentences import gettext_lazy as _
from operations.handlers import Lane, register
from operations.run import OperationRun
from vms.imaging import image_ensure
from vms.models import Disk, Image, ImageKind, Lifecycle, Seed, Vm
from vms.services.rescue import REINSTALL

from . import specs
from .on_host import OnHost, on_host, passing_over, undone_on_host
from .seeds import seed_settle, seed_write, seed_write_later


def unreinstall(run: OperationRun) -> None:
    """It has its old disk again, and runs if it ran. Once the new system has started, nothing is taken back any more."""
    with undone_on_host(run) as at:
        if at is None or at.vm.lifecycle != Lifecycle.MAKING:
            return
        former, disk_id = run.operation.arguments["former"], UUID(at.argument("disk"))
        is_swapped = at.vm.disks.filter(pk=disk_id).exists()
        if is_swapped or _is_missing(at):
            run.step("back", _("Putting the old disk back"), percent=run.operation.progress)
            _forget(at)
            if is_swapped:
                _swap_back(at.vm, disk_id, former)
            _define_former(at, disk_id)
            if run.operation.arguments["was_on"]:
                at.agent.change_state(at.vm.pk, StateAction.START, operation_id=str(run.operation.pk))
        with passing_over(ErrorCode.VOLUME_NOT_FOUND):
            at.agent.disk_delete(former["pool"], disk_id)
        at.saw(at.agent.domain(at.vm.pk))
        _keep(at.vm, Seed.objects.filter(vm=at.vm, pk=disk_id))


@register(REINSTALL, is_idempotent=True, undo=unreinstall, can_cancel=True, lane=Lane.MAKING)
def reinstall(run: OperationRun) -> None:
    """Makes it anew from an image."""
    with on_host(run) as at:
        former, disk_id = run.operation.arguments["former"], UUID(at.argument("disk"))
        if at.vm.lifecycle == Lifecycle.MAKING:
            image = Image.objects.get(pk=at.argument("image"))
            run.step("image", _("Getting image %(name)s ready on the host") % {"name": image.name}, percent=5)
            pool = former["pool"]
            image_ensure(run, agent=at.agent, image=image, hypervisor=at.vm.hypervisor, pool=pool, until_percent=40)
            new = _new_disk(at.vm, disk_id, image, former)
            run.step("disk", _("Making the new disk"), percent=45)
            at.agent.disk_make(pool, disk_id, specs.disk_spec(new, operation_id=run.operation.pk))
            run.step("exchange", _("Exchanging the disks"), percent=55)
            _exchange(at, new, image)
            run.step("start", _("Starting it"), percent=80, is_final=True)
            at.saw(at.agent.change_state(at.vm.pk, StateAction.START, operation_id=str(run.operation.pk)))
            _settle(at.vm, disk_id, former)
        run.step("old", _("Deleting the old disk"), percent=90)
        _delete_old(at, former)
        run.result = {"disk": str(disk_id)}


def _exchange(at: OnHost, new: Disk, image: Image) -> None:
    """The domain is forgotten and defined anew with the other disk, unless an earlier try did so."""
    operation_id = at.run.operation.pk
    if not _has_disk(at, new.pk):
        _forget(at)
        _swap(at.vm, new, image)
        seed = Seed.objects.select_related("vm").filter(pk=new.pk).first()
        if seed:
            seed_write(at.agent, seed, operation_id=operation_id)
        at.agent.domain_define(specs.domain_spec(_fresh(at.vm), seed=seed, operation_id=operation_id))


def _define_former(at: OnHost, disk_id: UUID) -> None:
    """As it was, with a disc that tells it so."""
    operation_id = at.run.operation.pk
    seed = Seed.objects.select_related("vm").filter(vm=at.vm).exclude(pk=disk_id).first()
    if seed:
        seed_write_later(at.agent, seed, operation_id=operation_id)
    at.agent.domain_define(specs.domain_spec(_fresh(at.vm), seed=seed, operation_id=operation_id))


def _has_disk(at: OnHost, disk_id: UUID) -> bool:
    with passing_over(ErrorCode.DOMAIN_NOT_FOUND):
        return any(disk.uuid == disk_id for disk in at.agent.domain(at.vm.pk).disks)
    return False


def _is_missing(at: OnHost) -> bool:
    with passing_over(ErrorCode.DOMAIN_NOT_FOUND):
        at.agent.domain(at.vm.pk)
        return False
    return True


def _forget(at: OnHost) -> None:
    """Stops and undefines it; its disks stay, its seed goes."""
    for pool in {seed.pool for seed in at.vm.seeds.all()} or {""}:
        at.agent.domain_delete(at.vm.pk, DomainDelete(seed_pool=pool, operation_id=at.run.operation.pk))


def _new_disk(vm: Vm, disk_id: UUID, image: Image, former: dict[str, Any]) -> Disk:
    """The row, not yet written."""
    return Disk(
        pk=disk_id,
        project=vm.project,
        vm=vm,
        hypervisor=vm.hypervisor,
        pool=str(former["pool"]),
        size_bytes=former["size_bytes"],
        bus=str(former["bus"]),
        image=image if image.kind == ImageKind.CLOUD else None,
        position=0,
    )


@transaction.atomic
def _swap(vm: Vm, new: Disk, image: Image) -> None:
    if not Disk.objects.filter(pk=new.pk).exists():
        former = vm.disks.first()
        if former is not None:
            former.delete()
        new.save(force_insert=True)
    is_iso = image.kind == ImageKind.ISO
    Vm.objects.filter(pk=vm.pk).update(cd_image=image if is_iso else None, boot_devices=[])


@transaction.atomic
def _swap_back(vm: Vm, disk_id: UUID, former: dict[str, Any]) -> None:
    Disk.objects.filter(pk=disk_id).delete()
    _former_disk(vm, former).save(force_insert=True)
    Vm.objects.filter(pk=vm.pk).update(cd_image=former["cd_image"], boot_devices=[])


@transaction.atomic
def _settle(vm: Vm, disk_id: UUID, former: dict[str, Any]) -> None:
    """From now on it is the new machine, and the old disk a kept one that is to be deleted."""
    old = _former_disk(vm, former)
    old.vm, old.kept_from, old.kept_since = None, vm.name, timezone.now()
    old.save(force_insert=True)
    for seed in Seed.objects.filter(pk=disk_id):
        seed_settle(seed)
    _keep(vm, Seed.objects.filter(vm=vm).exclude(pk=disk_id))


def _delete_old(at: OnHost, former: dict[str, Any]) -> None:
    """What cannot be deleted now stays among the project's kept disks."""
    old = Disk.objects.filter(pk=str(former["id"]), vm=None).first()
    if old is None:
        return
    try:
        with passing_over(ErrorCode.VOLUME_NOT_FOUND):
            at.agent.disk_delete(old.pool, old.pk)
    except EveError:
        return
    old.delete()


def _former_disk(vm: Vm, former: dict[str, Any]) -> Disk:
    return Disk(
        pk=UUID(str(former["id"])),
        project=vm.project,
        vm=vm,
        hypervisor=vm.hypervisor,
        pool=str(former["pool"]),
        size_bytes=former["size_bytes"],
        bus=str(former["bus"]),
        image_id=former["image"],
        position=0,
    )


def _keep(vm: Vm, over: QuerySet[Seed]) -> None:
    Vm.objects.filter(pk=vm.pk).update(lifecycle=Lifecycle.KEPT)
    over.delete()


def _fresh(vm: Vm) -> Vm:
    return (
        Vm.objects.select_related("hypervisor", "project", "cd_image")
        .prefetch_related("disks__image", "nics")
        .get(pk=vm.pk)
    )
