"""Deleting a virtual machine: asked for here, done on its host by :mod:`vms.handlers.deleting`."""

from __future__ import annotations

from functools import partial

from django.db import transaction

from accounts.models import User
from common.sentences import gettext as _
from operations.models import Operation
from operations.services import operation_create
from vms import live
from vms.disks import disks_keep
from vms.errors import WrongState
from vms.models import Disk, Lifecycle, Vm
from vms.signals import vm_deleted

from .machines import require_host, require_operator

KIND = "vm.delete"


@transaction.atomic
def vm_delete(*, vm: Vm, user: User, keeps_disks: bool = False) -> Operation:
    """Queues the end of a VM that Eve made, with its disks unless they are kept. Asked again meanwhile: the same operation.

    Raises:
        VmNotFound, ActionNotAllowed: it is not the user's, or the user may only look.
        WrongState: Eve did not make it: it is deleted where it was made, and then forgotten.
        VmHostAway: its host cannot be asked.
        operations.errors.OperationRunning: another change of it is under way.
    """
    require_operator(user, vm, action=KIND)
    if not vm.is_made_by_eve:
        raise WrongState(
            _(
                "%(name)s was not made by Eve, which deletes only what it made. Undefine it with libvirt's tools; staff then forget it."
            )
            % {"name": vm.name},
            state=vm.state,
        )
    require_host(vm)
    operation = operation_create(
        kind=KIND, target=vm, project=vm.project, user=user, arguments={"keeps_disks": keeps_disks}
    )
    Vm.objects.filter(pk=vm.pk).update(lifecycle=Lifecycle.REMOVING)
    return operation


@transaction.atomic
def vm_gone(*, vm: Vm, keeps_disks: bool, reason: str) -> None:
    """Its host no longer has it, and now Eve has not. Disks that were kept stay with its project."""
    vm_id, change = vm.pk, live.VmChange(vm.pk, vm.project_id, vm.hypervisor.site_id, vm.state)
    disks = Disk.objects.filter(vm=vm)
    if keeps_disks:
        disks_keep(disks, name=vm.name)
    else:
        disks.delete()
    vm.delete()
    transaction.on_commit(partial(vm_deleted.send_robust, sender=Vm, vm_id=vm_id, reason=reason), robust=True)
    live.announce([change])
