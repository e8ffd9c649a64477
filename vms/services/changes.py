"""What every change of a machine that Eve made asks first."""

from __future__ import annotations

from accounts.models import User
from common.sentences import gettext as _
from operations.models import Operation
from operations.selectors import active_operations
from operations.services import operation_create
from vms.errors import VmNotFound, WrongState
from vms.models import Lifecycle, Vm

from .machines import require_host, require_operator


def vm_lock(*, vm: Vm, user: User, action: str) -> Vm:
    """The VM's row, locked until the transaction ends, once it is sure that `user` may change it now.

    Raises:
        VmNotFound, ActionNotAllowed: it is not the user's, or the user may only look.
        WrongState: Eve did not make it, so it is changed where it was made; or it is being made or deleted.
        VmHostAway: its host cannot be asked.
    """
    require_operator(user, vm, action=action)
    locked = Vm.objects.select_for_update(of=("self",)).select_related("project", "hypervisor").filter(pk=vm.pk).first()
    if locked is None:
        raise VmNotFound
    if not locked.is_made_by_eve:
        raise WrongState(
            _("%(name)s was not made by Eve. Change it with the tools that made it; Eve shows what has changed.")
            % {"name": locked.name},
            state=locked.state,
        )
    if locked.lifecycle != Lifecycle.KEPT:
        raise WrongState(
            _("%(name)s is being made or deleted. Wait until that has ended.") % {"name": locked.name},
            state=locked.state,
        )
    require_host(locked)
    return locked


def vm_require_no_rescue(vm: Vm) -> None:
    """That it does not run a rescue system, whose end brings back drive and boot order. Raises WrongState."""
    if vm.rescue:
        raise WrongState(_("%(name)s runs a rescue system. End that first.") % {"name": vm.name}, state=vm.state)


def change_create(*, kind: str, vm: Vm, user: User, **arguments: object) -> Operation:
    """Queues a change of a locked VM. Raises operations.errors.OperationRunning."""
    return operation_create(kind=kind, target=vm, project=vm.project, user=user, arguments=arguments)


def is_busy(vm: Vm) -> bool:
    """Whether a change of the (locked) VM is under way."""
    return bool(active_operations(target_type="vm", target_ids=[vm.pk]))
