"""Snapshots: asked for here, done on the VM's host by :mod:`vms.handlers.snapshots`."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from common.errors import Invalid
from common.sentences import gettext as _
from common.sentences import is_name
from operations.models import Operation
from vms.errors import WrongState
from vms.models import Firmware, Snapshot, SnapshotState, Vm, VmState
from vms.placement import memory_hold
from vms.quotas import Amounts

from .changes import change_create, vm_lock, vm_require_no_rescue
from .quotas import quota_reserve

MAKE, REVERT, DELETE = "vm.snapshot", "vm.snapshot_revert", "vm.snapshot_delete"
MOST_NAME = 100


@transaction.atomic
def snapshot_make(*, vm: Vm, user: User, name: str, with_memory: bool | None = None) -> Operation:
    """Queues a snapshot of its disks, and of its memory: if that is not said, then where it runs and can have one.

    Raises:
        Invalid: there is no name, or it is no line of text; or its memory is wanted, and it is off.
        QuotaExceeded, WrongState, and what :func:`vms.services.changes.vm_lock` raises.
        operations.errors.OperationRunning: another change of it is under way.
    """
    vm = vm_lock(vm=vm, user=user, action=MAKE)
    vm_require_no_rescue(vm)
    name = name.strip()
    if not name or len(name) > MOST_NAME or not is_name(name):
        detail = _("Give it a name of one line, 100 characters at most.")
        raise Invalid(detail, errors={"name": [detail]})
    if vm.state not in (VmState.RUNNING, VmState.PAUSED, VmState.OFF):
        raise WrongState(
            _("A snapshot is made of a machine that runs, is paused or is off. Wait, or stop %(name)s first.")
            % {"name": vm.name},
            state=vm.state,
        )
    if with_memory and vm.state == VmState.OFF:
        detail = _("%(name)s is off, so there is no memory to keep.") % {"name": vm.name}
        raise Invalid(detail, errors={"with_memory": [detail]})
    if with_memory and vm.firmware == Firmware.UEFI:
        raise WrongState(
            _("%(name)s has UEFI firmware, whose variables no snapshot with memory can hold. Keep its disks alone.")
            % {"name": vm.name},
            state=vm.state,
        )
    if with_memory is None:
        with_memory = vm.state != VmState.OFF and vm.firmware != Firmware.UEFI
    quota_reserve(project=vm.project, amounts=Amounts(snapshots=1))
    snapshot = Snapshot.objects.create(
        vm=vm,
        name=name,
        with_memory=with_memory,
        vcpus=vm.vcpus,
        memory_bytes=vm.memory_bytes,
        created_by=user,
    )
    return change_create(kind=MAKE, vm=vm, user=user, snapshot=str(snapshot.pk))


@transaction.atomic
def snapshot_revert(*, snapshot: Snapshot, user: User) -> Operation:
    """Queues a return to a snapshot: what the disks hold now is lost, other snapshots stay.

    From now on the machine counts as the larger of what it is and what it will be. Raises as :func:`snapshot_make`, and NoRoom.
    """
    vm = vm_lock(vm=snapshot.vm, user=user, action=REVERT)
    vm_require_no_rescue(vm)
    _require_ready(snapshot)
    vcpus, memory_bytes = max(snapshot.vcpus, vm.vcpus), max(snapshot.memory_bytes, vm.memory_bytes)
    more = Amounts(vcpus=vcpus - vm.vcpus, memory_bytes=memory_bytes - vm.memory_bytes)
    quota_reserve(project=vm.project, amounts=more)
    memory_hold(vm.hypervisor, more_bytes=more.memory_bytes)
    operation = change_create(
        kind=REVERT, vm=vm, user=user, snapshot=str(snapshot.pk), before=[vm.vcpus, vm.memory_bytes]
    )
    Vm.objects.filter(pk=vm.pk).update(vcpus=vcpus, memory_bytes=memory_bytes)
    return operation


@transaction.atomic
def snapshot_delete(*, snapshot: Snapshot, user: User) -> Operation:
    """Queues its end; the machine and other snapshots stay as they are. Raises as :func:`snapshot_make`."""
    vm = vm_lock(vm=snapshot.vm, user=user, action=DELETE)
    return change_create(kind=DELETE, vm=vm, user=user, snapshot=str(snapshot.pk))


def _require_ready(snapshot: Snapshot) -> None:
    if snapshot.state != SnapshotState.READY:
        raise WrongState(
            _("Snapshot %(name)s is not whole. Wait until it is made.") % {"name": snapshot.name},
            state=snapshot.vm.state,
        )
