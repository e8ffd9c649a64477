"""Disks that come and go without being made or deleted: asked for here, done on their host by :mod:`vms.handlers.disks`."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max

from accounts.models import AuditOutcome, User
from accounts.services import audit_record
from common.errors import Invalid
from common.sentences import gettext as _
from operations.models import Operation
from operations.selectors import active_operations
from operations.services import operation_create
from vms.disks import may_change_disk
from vms.errors import ActionNotAllowed, WrongState
from vms.models import Disk, DiskBus, Vm, VmState

from .changes import change_create, vm_lock
from .creating import MAX_DISKS
from .hardware import disk_require_free, vm_require_no_snapshots
from .machines import require_host_up

ATTACH, DETACH, DELETE = "vm.disk_attach", "vm.disk_detach", "disk.delete"


@transaction.atomic
def disk_detach(*, disk: Disk, user: User) -> Operation:
    """Queues that a disk leaves its machine; all that is on it stays, with its project.

    Raises:
        WrongState: the machine boots from it or has snapshots, or it is a SATA disk of one that runs.
        what :func:`vms.services.changes.vm_lock` raises.
        operations.errors.OperationRunning: another change of the machine is under way.
    """
    vm = disk_require_free(disk=disk, user=user, action=DETACH)
    return change_create(kind=DETACH, vm=vm, user=user, disk=str(disk.pk))


@transaction.atomic
def disk_attach(*, vm: Vm, disk: Disk, user: User) -> Operation:
    """Queues that a kept disk of its project becomes the machine's last one.

    Raises:
        Invalid: it is no kept disk of the machine's project on the machine's host, or the machine has no place for it.
        WrongState: the disk is being deleted; and as :func:`disk_detach`.
    """
    vm = vm_lock(vm=vm, user=user, action=ATTACH)
    vm_require_no_snapshots(vm)
    kept = Disk.objects.select_for_update(of=("self",)).filter(pk=disk.pk, vm=None, project=vm.project).first()
    if kept is None or kept.hypervisor_id != vm.hypervisor_id:
        detail = _("This is no disk that project %(name)s keeps on the machine's host.") % {"name": vm.project.name}
        raise Invalid(detail, errors={"disk": [detail]})
    if active_operations(target_type="disk", target_ids=[kept.pk]):
        raise WrongState(_("This disk is being deleted."))
    if vm.disks.count() >= MAX_DISKS:
        raise Invalid(_("A machine has %(most)d disks at most.") % {"most": MAX_DISKS})
    if kept.bus == DiskBus.SATA and vm.state != VmState.OFF:
        raise WrongState(_("A SATA disk cannot be added while it runs. Shut it down first."), state=vm.state)
    last = vm.disks.aggregate(last=Max("position"))["last"]
    Disk.objects.filter(pk=kept.pk).update(vm=vm, position=0 if last is None else last + 1)
    return change_create(kind=ATTACH, vm=vm, user=user, disk=str(kept.pk))


@transaction.atomic
def disk_delete(*, disk: Disk, user: User) -> Operation:
    """Queues the end of a kept disk, with all that is on it. Asked again meanwhile: the same operation.

    Raises:
        ActionNotAllowed: the user may only look.
        WrongState: a machine has it.
        VmHostAway: its host cannot be asked.
    """
    if not may_change_disk(user, disk):
        audit_record(action=DELETE, actor=user, target=disk, project=disk.project, outcome=AuditOutcome.DENIED)
        raise ActionNotAllowed(
            _("You may look at it, but not delete it. Ask an owner of project %(name)s for the operator's role.")
            % {"name": disk.project.name}
        )
    locked = Disk.objects.select_for_update(of=("self",)).select_related("project", "hypervisor").get(pk=disk.pk)
    if locked.vm_id is not None:
        raise WrongState(_("A machine has this disk. Detach it first."))
    require_host_up(locked.hypervisor)
    return operation_create(kind=DELETE, target=locked, project=locked.project, user=user)
