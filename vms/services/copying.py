"""Copies of whole machines, and of their disks as images: asked for here, made on the host by :mod:`vms.handlers.copying`."""

from __future__ import annotations

from uuid import uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from common.sentences import gettext as _
from hypervisors.models import Hypervisor
from operations.models import Operation
from operations.services import operation_create
from vms import live
from vms.cloudinit import seed_make
from vms.errors import WrongState
from vms.models import Disk, Lifecycle, Nic, Vm, VmState
from vms.placement import Space, place_find
from vms.quotas import Amounts

from .changes import change_create, is_busy, vm_lock, vm_require_no_rescue
from .creating import name_check, new_mac
from .images import NewImage, image_begin
from .networks import nics_check_open
from .quotas import quota_reserve
from .seeds import seed_create
from .settings import name_taken

CLONE, TEMPLATE = "vm.clone", "vm.template"


@transaction.atomic
def vm_clone(*, vm: Vm, name: str, user: User, is_started: bool = False) -> Operation:
    """Writes a copy of a machine that is off down, with addresses and ids of its own, and queues what makes it beside the other.

    Raises:
        Invalid: the name is no host name, or one of its networks is not for the user.
        WrongState: it is not off, or a change of it is under way.
        NameTaken, QuotaExceeded, NoRoom, and what :func:`vms.services.changes.vm_lock` raises.
    """
    source = _lock(vm, user, CLONE)
    name_check(name)
    nics = list(source.nics.all())
    nics_check_open(source.hypervisor, [(nic.kind, nic.source) for nic in nics], user)
    disks = list(source.disks.all())
    total = sum(disk.size_bytes for disk in disks)
    quota_reserve(project=source.project, amounts=Amounts(1, source.vcpus, source.memory_bytes, total))
    place_find(
        Hypervisor.objects.filter(pk=source.hypervisor_id),
        vcpus=source.vcpus,
        memory_bytes=source.memory_bytes,
        disks=[Space(disk.size_bytes, disk.pool) for disk in disks],
    )
    clone = _row(source, name)
    copies = {str(uuid4()): disk for disk in disks}
    Disk.objects.bulk_create(
        Disk(
            pk=new,
            project=source.project,
            vm=clone,
            hypervisor=source.hypervisor,
            pool=disk.pool,
            size_bytes=disk.size_bytes,
            bus=disk.bus,
            position=disk.position,
        )
        for new, disk in copies.items()
    )
    for nic in nics:
        Nic.objects.create(
            vm=clone, mac=new_mac(), kind=nic.kind, source=nic.source, model=nic.model, position=nic.position
        )
    if source.seeds.exists():
        seed_create(vm=clone, texts=seed_make(host_name=name), instance=clone.pk, pool=disks[0].pool)
    operation = operation_create(
        kind=CLONE,
        target=clone,
        project=clone.project,
        user=user,
        arguments={"copies": {new: str(disk.pk) for new, disk in copies.items()}, "is_started": is_started},
    )
    live.announce([live.VmChange(clone.pk, clone.project_id, source.hypervisor.site_id, clone.state)])
    return operation


@transaction.atomic
def vm_template(*, vm: Vm, name: str, user: User, remarks: str = "") -> Operation:
    """Queues an image of the project made of the first disk of a machine that is off. Machines are made from it as from any cloud image.

    Raises:
        ActionNotAllowed: the user may not add images to the project.
        Invalid: the name is none.
        WrongState, QuotaExceeded, and what :func:`vms.services.changes.vm_lock` raises.
    """
    vm = _lock(vm, user, TEMPLATE)
    first = vm.disks.all()[0]
    wanted = NewImage(name=name, project=vm.project, remarks=remarks)
    image = image_begin(wanted, user, size_bytes=first.size_bytes, place=(vm.hypervisor, first.pool))
    return change_create(kind=TEMPLATE, vm=vm, user=user, image=str(image.pk), disk=str(first.pk))


def _lock(vm: Vm, user: User, action: str) -> Vm:
    """The locked machine, off and at rest, with a disk."""
    vm = vm_lock(vm=vm, user=user, action=action)
    vm_require_no_rescue(vm)
    if vm.state != VmState.OFF:
        raise WrongState(_("%(name)s is not off. Shut it down first.") % {"name": vm.name}, state=vm.state)
    if is_busy(vm):
        raise WrongState(
            _("A change of %(name)s is under way. Wait until it has ended, then try again.") % {"name": vm.name},
            state=vm.state,
        )
    if not vm.disks.exists():
        raise WrongState(_("%(name)s has no disk. Add one first.") % {"name": vm.name}, state=vm.state)
    return vm


def _row(source: Vm, name: str) -> Vm:
    clone = Vm(
        pk=uuid4(),
        name=name,
        project=source.project,
        hypervisor=source.hypervisor,
        vcpus=source.vcpus,
        memory_bytes=source.memory_bytes,
        remarks=source.remarks,
        is_made_by_eve=True,
        lifecycle=Lifecycle.MAKING,
        firmware=source.firmware,
        state=VmState.CREATING,
        state_since=timezone.now(),
    )
    try:
        with transaction.atomic():
            clone.save(force_insert=True)
    except IntegrityError:
        raise name_taken(source, name) from None
    return clone
