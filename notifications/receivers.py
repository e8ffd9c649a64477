"""Hears what the apps below write, within their transactions: what is told is there if and only if what it tells of is."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.dispatch import receiver

from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.signals import hypervisor_state_written
from operations.models import Operation, OperationState
from operations.signals import operation_ended
from vms.models import Vm, VmState
from vms.signals import vm_states_written
from vms.states import WATCHDOG

from .models import Kind
from .services.conditions import STEADY_SECONDS, condition_bad, condition_forget, conditions_good
from .services.events import event_record

_AWAY: Final = frozenset({HypervisorState.OFFLINE, HypervisorState.LIBVIRT_DOWN, HypervisorState.REJECTED})
_WELL: Final = frozenset({VmState.RUNNING, VmState.PAUSED, VmState.SHUTTING_DOWN, VmState.OFF, VmState.SLEEPING})
"""In which a machine has certainly not crashed. What it does while its host is away, nobody knows."""


@receiver(operation_ended)
def on_operation_ended(*, operation: Operation, **_: Any) -> None:
    """An operation failed."""
    if operation.state != OperationState.FAILED:
        return
    problem = operation.error or {}
    event_record(
        kind=Kind.OPERATION_FAILED,
        target_type=operation.target_type,
        target_id=operation.target_id,
        target_label=operation.target_label,
        project=operation.project,
        user=None if operation.project else operation.requested_by,
        detail={
            "operation": str(operation.pk),
            "kind": operation.kind,
            "code": problem.get("code", ""),
            "detail": problem.get("detail", ""),
        },
    )


@receiver(vm_states_written)
def on_vm_states_written(*, vms: tuple[tuple[UUID, str], ...], **_: Any) -> None:
    """Machines crashed or hung, or have recovered."""
    hung = _hung([vm_id for vm_id, state in vms if state == VmState.PAUSED])
    if well := [vm_id for vm_id, state in vms if state in _WELL and vm_id not in hung]:
        conditions_good(kind=Kind.VM_CRASHED, target_ids=well)
    for vm_id in (vm_id for vm_id, state in vms if state == VmState.CRASHED or vm_id in hung):
        if not condition_bad(kind=Kind.VM_CRASHED, target_id=vm_id, steady_seconds=STEADY_SECONDS):
            continue
        vm = Vm.objects.select_related("project").get(pk=vm_id)
        event_record(
            kind=Kind.VM_CRASHED,
            target_type="vm",
            target_id=vm.pk,
            target_label=vm.name,
            project=vm.project,
            detail={"reason": WATCHDOG} if vm_id in hung else {},
        )


def _hung(paused: list[UUID]) -> set[UUID]:
    """Those that their watchdogs paused."""
    if not paused:
        return set()
    return set(Vm.objects.filter(pk__in=paused, state_reason=WATCHDOG).values_list("pk", flat=True))


@receiver(hypervisor_state_written)
def on_hypervisor_state_written(*, hypervisor_id: UUID, state: str, **_: Any) -> None:
    """A host is away, back, or shut out on purpose. Whether that is told is found out later: it may be back in a moment."""
    if state in _AWAY:
        if Hypervisor.objects.filter(pk=hypervisor_id, last_seen_at=None).exists():
            return  # it has just enrolled, and never answered yet
        condition_bad(kind=Kind.HOST_AWAY, target_id=hypervisor_id, steady_seconds=settings.NOTIFY_BACK_SECONDS)
    elif state == HypervisorState.ONLINE:
        conditions_good(kind=Kind.HOST_AWAY, target_ids=[hypervisor_id])
    else:
        condition_forget(kind=Kind.HOST_AWAY, target_id=hypervisor_id)
