"""How power actions are done: asks the VM's host, and writes down at once what it answers."""

from __future__ import annotations

from functools import partial

from django.utils import timezone
from eve_agent.wire.domain import StateAction

from accounts.models import Role
from accounts.selectors import role_allows
from common.sentences import gettext_lazy as _
from hypervisors.client import AgentClient
from hypervisors.selectors import hypervisors_for
from operations.handlers import register
from operations.models import Operation
from operations.run import OperationRun

from .errors import ActionNotAllowed, VmNotFound
from .inventory import domain_apply
from .models import Vm
from .selectors import role_on
from .states import REPEATABLE, kind_of


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


def require_still_allowed(operation: Operation, vm: Vm) -> None:
    """That who asked may still do it: rights may have ended since. Raises ActionNotAllowed."""
    user = operation.requested_by
    role = role_on(user, vm) if user is not None and user.is_active else None
    if role is None or not role_allows(role, Role.OPERATOR):
        raise ActionNotAllowed(_("Who asked for this may not do it any more. Nothing was done."))


def require_still_managed(operation: Operation, vm: Vm) -> None:
    """That who asked still manages its host. Raises ActionNotAllowed."""
    user = operation.requested_by
    if user is None or not user.is_active or not hypervisors_for(user).filter(pk=vm.hypervisor_id).exists():
        raise ActionNotAllowed(_("Who asked for this may not do it any more. Nothing was done."))


for _action in StateAction:
    register(kind_of(_action), is_idempotent=_action in REPEATABLE)(partial(power_action, action=_action))
