"""How a VM that is not there any more ended, for who may see the operation that ended it: it was deleted, or was never made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import Role, User
from accounts.selectors import role_allows, role_in
from operations.models import Operation, OperationState
from operations.selectors import operations_for

from .models import Disk, Vm
from .selectors import vms_visible_to
from .services.copying import CLONE
from .services.creating import KIND as CREATE
from .services.deleting import KIND as DELETE

_UNMADE: Final = {"kind__in": (CREATE, CLONE), "state__in": (OperationState.FAILED, OperationState.CANCELLED)}


@dataclass(frozen=True, slots=True)
class GoneVm:
    """A VM that is no more, or just goes, as one user may know of it."""

    operation: Operation
    """What ended it: its deletion, or its making, which came to nothing."""
    again_url: str
    """Where it is made again; empty where the user may not, or where it was deleted."""

    @property
    def is_deleted(self) -> bool:
        """Whether somebody deleted it."""
        return self.operation.kind == DELETE

    @property
    def keeps_disks(self) -> bool:
        """Whether its disks outlive it."""
        return bool(self.operation.arguments.get("keeps_disks"))


def gone_vm_for(user: User, vm_id: UUID) -> GoneVm | None:
    """How that VM, which does not exist for the user, ended; None where it is not theirs to know."""
    newest = _operations(user, [vm_id]).first()
    if newest is None or Vm.objects.filter(pk=vm_id).exists():
        return None
    if newest.kind == DELETE:
        return None if newest.state == OperationState.FAILED else GoneVm(newest, "")
    is_unmade = newest.kind in (CREATE, CLONE) and newest.state != OperationState.SUCCEEDED
    return GoneVm(newest, _again_url(user, newest)) if is_unmade else None


def unmade_vms(user: User, vm_ids: Collection[UUID]) -> QuerySet[Operation, UUID]:
    """Those of these VMs, none of which exists for the user, whose making came to nothing: their pages say why."""
    return _operations(user, vm_ids).filter(**_UNMADE).values_list("target_id", flat=True)


def _operations(user: User, vm_ids: Collection[UUID]) -> QuerySet[Operation]:
    return operations_for(user).filter(target_type=Vm._meta.model_name, target_id__in=vm_ids)


def _again_url(user: User, operation: Operation) -> str:
    role = role_in(user, operation.project) if operation.project else None
    if role is None or not role_allows(role, Role.OPERATOR):
        return ""
    if operation.kind == CREATE:
        return f"{reverse('vm-new')}?{urlencode({'again': operation.pk})}"
    copied = Disk.objects.filter(pk__in=operation.arguments["copies"].values(), vm__in=vms_visible_to(user)).first()
    return reverse("vm-settings", args=[copied.vm_id]) if copied else ""
