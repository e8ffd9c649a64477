"""How power actions are done: asks the VM's host, and writes down at once what it answers."""

from __future__ import annotations

from functools import partial

from django.utils import timezone
from eve_agent.wire.domain import StateAction

from hypervisors.client import AgentClient
from operations.handlers import register
from operations.run import OperationRun
from vms.errors import VmNotFound
from vms.inventory import domain_apply
from vms.models import Vm
from vms.states import REPEATABLE, kind_of

from .rights import require_still_allowed


def power_action(run: OperationRun, *, action: StateAction) -> None:
    """Does one. Raises what the agent's client raises; VmNotFound or ActionNotAllowed where that changed since it was asked for."""
    operation = run.operation
    vm = Vm.objects.select_related("hypervisor", "project").filter(pk=operation.target_id).first()
    if vm is None:
        raise VmNotFound()
    require_still_allowed(operation, vm)
    asked_at = timezone.now()
    with AgentClient(vm.hypervisor) as agent:
        domain = agent.change_state(vm.pk, action, operation_id=str(operation.pk))
    domain_apply(hypervisor_id=vm.hypervisor_id, domain=domain, unless_seen_since=asked_at)


for _action in StateAction:
    register(kind_of(_action), is_idempotent=_action in REPEATABLE)(partial(power_action, action=_action))
