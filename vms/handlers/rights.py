"""Whether who asked for an operation may still do it when it is done: rights may have ended since. All raise ActionNotAllowed."""

from __future__ import annotations

from accounts.models import Role, User
from accounts.selectors import role_allows
from common.sentences import gettext as _
from hypervisors.selectors import hypervisors_for
from operations.models import Operation
from vms.disks import may_change_disk
from vms.errors import ActionNotAllowed
from vms.images import may_manage_image
from vms.models import Disk, Image, Vm
from vms.selectors import role_on


def require_still_allowed(operation: Operation, vm: Vm) -> None:
    """That who asked may still change the VM."""
    user = _who(operation)
    role = role_on(user, vm) if user else None
    _require(role is not None and role_allows(role, Role.OPERATOR))


def require_still_managed(operation: Operation, vm: Vm) -> None:
    """That who asked still manages the VM's host."""
    user = _who(operation)
    _require(user is not None and hypervisors_for(user).filter(pk=vm.hypervisor_id).exists())


def require_disk_still_allowed(operation: Operation, disk: Disk) -> None:
    """That who asked may still delete the kept disk."""
    user = _who(operation)
    _require(user is not None and may_change_disk(user, disk))


def require_image_still_managed(operation: Operation, image: Image) -> None:
    """That who asked may still make and delete the image."""
    user = _who(operation)
    _require(user is not None and may_manage_image(user, image))


def _who(operation: Operation) -> User | None:
    user = operation.requested_by
    return user if user is not None and user.is_active else None


def _require(is_allowed: bool) -> None:
    if not is_allowed:
        raise ActionNotAllowed(_("Who asked for this may not do it any more. Nothing was done."))
