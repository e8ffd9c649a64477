"""The same for many virtual machines: each is decided about by itself, and none is in the way of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from uuid import UUID

from accounts.models import Project, User
from common.errors import EveError, Invalid
from common.sentences import gettext as _
from operations.idempotency import operation_once, request_digest
from operations.models import Operation
from vms.errors import VmNotFound
from vms.models import Vm
from vms.selectors import vms_visible_to

from .machines import vm_change_state, vm_move

MOST = 200
"""So many at once: the request waits for all of them to be queued."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the request for one virtual machine."""

    vm_id: UUID
    vm: Vm | None
    """None where it does not exist for the user."""
    operation: Operation | None = None
    """What does it, where that takes a while."""
    error: EveError | None = None
    """Why nothing was done to it."""


def vms_change_state(*, vm_ids: Sequence[UUID], action: str, user: User, key: str = "") -> list[Outcome]:
    """Queues a power action for each of them, in the order given; with the same `key` again, the same operations are told.

    What is not allowed or makes no sense for one is in its outcome. Raises Invalid for none, or more than :data:`MOST`.
    """

    def change(vm: Vm) -> Operation:
        return operation_once(
            user=user,
            key=sha256(f"{key} {vm.pk}".encode()).hexdigest() if key else "",
            digest=request_digest("vms.state", str(vm.pk), action),
            make=partial(vm_change_state, vm=vm, action=action, user=user),
        )

    return _each(vm_ids, user, change)


def vms_move(*, vm_ids: Sequence[UUID], project: Project, user: User) -> list[Outcome]:
    """Gives each of them to `project`; one that is there already stays. Raises as :func:`vms_change_state`."""

    def move(vm: Vm) -> None:
        vm.project = vm_move(vm=vm, project=project, user=user).project

    return _each(vm_ids, user, move)


def _each(vm_ids: Sequence[UUID], user: User, do: Callable[[Vm], Operation | None]) -> list[Outcome]:
    ids = list(dict.fromkeys(vm_ids))
    if not ids:
        raise Invalid(_("Choose at least one virtual machine."))
    if len(ids) > MOST:
        raise Invalid(_("Choose at most %(most)d virtual machines at once.") % {"most": MOST})
    found = vms_visible_to(user).select_related("project", "hypervisor__site").in_bulk(ids)
    return [_outcome(vm_id, found.get(vm_id), do) for vm_id in ids]


def _outcome(vm_id: UUID, vm: Vm | None, do: Callable[[Vm], Operation | None]) -> Outcome:
    if vm is None:
        return Outcome(vm_id, None, error=VmNotFound())
    try:
        return Outcome(vm_id, vm, operation=do(vm))
    except EveError as error:
        return Outcome(vm_id, vm, error=error)
