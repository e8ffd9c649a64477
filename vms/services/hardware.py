"""What a machine is made of: asked for here, changed on its host by :mod:`vms.handlers.hardware`."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max
from eve_agent.wire.checks import MAX_DISK_BYTES, MAX_MEMORY_BYTES, MAX_VCPUS, MIN_DISK_BYTES, MIN_MEMORY_BYTES

from accounts.models import User
from common.errors import Invalid
from common.sentences import gettext as _
from common.templatetags.eve import bytes_in_units
from operations.models import Operation
from vms.errors import NoRoom, WrongState
from vms.images import discs_for
from vms.models import Disk, DiskBus, Image, Nic, NicModel, Snapshot, Vm, VmState
from vms.placement import facts_of, memory_hold, pool_of, pool_require_known, pools_of
from vms.quotas import Amounts

from .changes import change_create, vm_lock, vm_require_no_rescue
from .creating import MAX_DISKS, MAX_NICS, NewNic, new_mac
from .networks import nics_check
from .quotas import quota_reserve

RESIZE, DISK_ADD, DISK_GROW, DISK_REMOVE = "vm.resize", "vm.disk_add", "vm.disk_grow", "vm.disk_remove"
NIC_ADD, NIC_REMOVE, CD = "vm.nic_add", "vm.nic_remove", "vm.cd"
MIB, GIB = 2**20, 2**30


@transaction.atomic
def vm_resize(*, vm: Vm, user: User, vcpus: int, memory_bytes: int) -> Operation:
    """Queues another number of vCPUs and amount of memory: at once where the running guest takes it, else at its next start.

    Raises:
        Invalid: beyond what a machine may have, or its host has.
        QuotaExceeded, NoRoom, and what :func:`vms.services.changes.vm_lock` raises.
        operations.errors.OperationRunning: another change of it is under way.
    """
    vm = vm_lock(vm=vm, user=user, action=RESIZE)
    facts = facts_of(vm.hypervisor)
    most_vcpus = min(MAX_VCPUS, facts.cpu.threads_total) if facts else MAX_VCPUS
    most_memory = min(MAX_MEMORY_BYTES, facts.memory_bytes) if facts else MAX_MEMORY_BYTES
    errors: dict[str, list[str]] = {}
    if not 1 <= vcpus <= most_vcpus:
        errors["vcpus"] = [_("1 to %(most)d: its host has no more.") % {"most": most_vcpus}]
    if not MIN_MEMORY_BYTES <= memory_bytes <= most_memory or memory_bytes % MIB:
        errors["memory_bytes"] = [
            _("32 MiB to %(most)d MiB, in whole MiB: its host has no more.") % {"most": most_memory // MIB}
        ]
    if errors:
        raise Invalid(" ".join(words[0] for words in errors.values()), errors=errors)
    quota_reserve(
        project=vm.project,
        amounts=Amounts(vcpus=max(0, vcpus - vm.vcpus), memory_bytes=max(0, memory_bytes - vm.memory_bytes)),
    )
    memory_hold(vm.hypervisor, more_bytes=memory_bytes - vm.memory_bytes)
    operation = change_create(
        kind=RESIZE,
        vm=vm,
        user=user,
        vcpus=vcpus,
        memory_bytes=memory_bytes,
        before=[vm.vcpus, vm.memory_bytes],
    )
    Vm.objects.filter(pk=vm.pk).update(vcpus=vcpus, memory_bytes=memory_bytes)
    return operation


@transaction.atomic
def disk_add(*, vm: Vm, user: User, size_bytes: int, pool: str = "") -> Operation:
    """Queues a new, empty disk; without a `pool`, in that of the first one. Raises as :func:`vm_resize`, and NoRoom."""
    vm = vm_lock(vm=vm, user=user, action=DISK_ADD)
    _check_size(size_bytes)
    vm_require_no_snapshots(vm)
    disks = list(vm.disks.all())
    if len(disks) >= MAX_DISKS:
        raise Invalid(_("A machine has %(most)d disks at most.") % {"most": MAX_DISKS})
    bus = disks[0].bus if disks else DiskBus.VIRTIO.value
    if bus == DiskBus.SATA and vm.state != VmState.OFF:
        raise WrongState(_("A SATA disk cannot be added while it runs. Shut it down first."), state=vm.state)
    pool = pool or pool_of(vm)
    pool_check(vm, pool, size_bytes)
    quota_reserve(project=vm.project, amounts=Amounts(disk_bytes=size_bytes))
    last = vm.disks.aggregate(last=Max("position"))["last"]
    disk = Disk.objects.create(
        project=vm.project,
        vm=vm,
        hypervisor=vm.hypervisor,
        pool=pool,
        size_bytes=size_bytes,
        bus=bus,
        position=0 if last is None else last + 1,
    )
    return change_create(kind=DISK_ADD, vm=vm, user=user, disk=str(disk.pk))


@transaction.atomic
def disk_grow(*, disk: Disk, user: User, size_bytes: int) -> Operation:
    """Queues a larger size of a disk; a running guest sees it at once. Raises as :func:`disk_add`."""
    vm = vm_lock(vm=_vm_of(disk), user=user, action=DISK_GROW)
    _check_size(size_bytes)
    vm_require_no_snapshots(vm)
    if size_bytes <= disk.size_bytes:
        detail = _("A disk only grows: give more than the %(now)s that it has.") % {
            "now": bytes_in_units(disk.size_bytes)
        }
        raise Invalid(detail, errors={"size_bytes": [detail]})
    more = size_bytes - disk.size_bytes
    pool_check(vm, disk.pool, more)
    quota_reserve(project=vm.project, amounts=Amounts(disk_bytes=more))
    operation = change_create(kind=DISK_GROW, vm=vm, user=user, disk=str(disk.pk), size_bytes=size_bytes)
    Disk.objects.filter(pk=disk.pk).update(size_bytes=size_bytes)
    return operation


@transaction.atomic
def disk_remove(*, disk: Disk, user: User) -> Operation:
    """Queues the end of a disk: taken from the machine, and deleted. Raises as :func:`disk_add`; WrongState for what it boots from."""
    vm = disk_require_free(disk=disk, user=user, action=DISK_REMOVE)
    return change_create(kind=DISK_REMOVE, vm=vm, user=user, disk=str(disk.pk))


@transaction.atomic
def nic_add(*, vm: Vm, user: User, wanted: NewNic) -> Operation:
    """Queues a new network card. Raises as :func:`vm_resize`."""
    vm = vm_lock(vm=vm, user=user, action=NIC_ADD)
    nics = list(vm.nics.all())
    if len(nics) >= MAX_NICS:
        raise Invalid(_("A machine has %(most)d network cards at most.") % {"most": MAX_NICS})
    nics_check(vm.hypervisor, [(wanted.kind, wanted.source)], user)
    nic = Nic.objects.create(
        vm=vm,
        mac=new_mac(),
        kind=wanted.kind,
        source=wanted.source,
        model=nics[0].model if nics else NicModel.VIRTIO,
        position=max((nic.position for nic in nics), default=-1) + 1,
    )
    return change_create(kind=NIC_ADD, vm=vm, user=user, mac=nic.mac)


@transaction.atomic
def nic_remove(*, nic: Nic, user: User) -> Operation:
    """Queues the end of a network card. Raises as :func:`vm_resize`."""
    vm = vm_lock(vm=nic.vm, user=user, action=NIC_REMOVE)
    return change_create(kind=NIC_REMOVE, vm=vm, user=user, mac=nic.mac)


@transaction.atomic
def cd_change(*, vm: Vm, user: User, image: Image | None) -> Operation:
    """Queues another disc in the CD drive; None: it is empty. Raises as :func:`vm_resize`."""
    vm = vm_lock(vm=vm, user=user, action=CD)
    vm_require_no_rescue(vm)
    if image is not None and not discs_for(user, vm).filter(pk=image.pk).exists():
        detail = _("There is no such CD for project %(name)s at its site.") % {"name": vm.project.name}
        raise Invalid(detail, errors={"image": [detail]})
    return change_create(kind=CD, vm=vm, user=user, image=str(image.pk) if image else None)


def disk_require_free(*, disk: Disk, user: User, action: str) -> Vm:
    """The disk's locked machine, if that may lose the disk now. Raises WrongState, and what :func:`vm_lock` raises."""
    vm = vm_lock(vm=_vm_of(disk), user=user, action=action)
    vm_require_no_snapshots(vm)
    first = vm.disks.first()
    if first is not None and first.pk == disk.pk:
        raise WrongState(
            _("%(name)s boots from this disk. Delete the machine instead, or let it boot from another first.")
            % {"name": vm.name}
        )
    if disk.bus == DiskBus.SATA and vm.state != VmState.OFF:
        raise WrongState(_("A SATA disk cannot be taken away while it runs. Shut it down first."), state=vm.state)
    return vm


def _check_size(size_bytes: int) -> None:
    if not MIN_DISK_BYTES <= size_bytes <= MAX_DISK_BYTES or size_bytes % MIB:
        detail = _("A disk has 1 MiB to 64 TiB, in whole MiB.")
        raise Invalid(detail, errors={"size_bytes": [detail]})


def vm_require_no_snapshots(vm: Vm) -> None:
    """That nothing holds its disks as they are. Raises WrongState."""
    if Snapshot.objects.filter(vm=vm).exists():
        raise WrongState(
            _("%(name)s has snapshots, which hold its disks as they are. Delete them first.") % {"name": vm.name},
            state=vm.state,
        )


def pool_check(vm: Vm, name: str, more_bytes: int) -> None:
    """That so much fits into that pool of its host. Raises Invalid for one that is not there, NoRoom."""
    free = pools_of([vm.hypervisor])
    pool_require_known(name, free, field="pool")
    if free[name] < more_bytes:
        raise NoRoom(
            _(
                "Pool “%(pool)s” on its host has %(left)d GiB of space left, and %(wanted)d GiB are needed. Choose less, or another pool."
            )
            % {"pool": name, "left": free[name] // GIB, "wanted": -(-more_bytes // GIB)}
        )


def _vm_of(disk: Disk) -> Vm:
    if disk.vm is None:
        raise WrongState(_("This disk belongs to no machine."))
    return disk.vm
