"""What every handler of a change does first and last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import timezone
from eve_agent.wire.domain import Domain
from eve_agent.wire.errors import ErrorCode

from hypervisors.client import AgentClient
from hypervisors.errors import AgentRefused
from operations.run import OperationRun
from vms.errors import VmNotFound
from vms.inventory import domain_apply
from vms.models import Vm

from .rights import require_still_allowed, require_still_managed


class OnHost:
    """One VM with its host's agent, for one operation."""

    def __init__(self, run: OperationRun, vm: Vm, agent: AgentClient) -> None:
        self.run, self.vm, self.agent = run, vm, agent
        self._asked_at = timezone.now()

    def saw(self, domain: Domain) -> None:
        """Writes down what the host answered, unless it reported something newer since the answer before."""
        domain_apply(hypervisor_id=self.vm.hypervisor_id, domain=domain, unless_seen_since=self._asked_at)
        self._asked_at = timezone.now()

    def argument(self, name: str) -> str:
        """A text among the operation's arguments."""
        return str(self.run.operation.arguments[name])


@contextmanager
def on_host(run: OperationRun, *, by_managers: bool = False) -> Iterator[OnHost]:
    """The operation's VM, if who asked may still change it. Raises VmNotFound, ActionNotAllowed.

    Args:
        by_managers: whether it takes somebody who manages its host, whatever they are in its project.
    """
    vm = _vm(run)
    if vm is None:
        raise VmNotFound
    if by_managers:
        require_still_managed(run.operation, vm)
    else:
        require_still_allowed(run.operation, vm)
    with AgentClient(vm.hypervisor) as agent:
        yield OnHost(run, vm, agent)


@contextmanager
def undone_on_host(run: OperationRun) -> Iterator[OnHost | None]:
    """As :func:`on_host` for what takes something back, whoever asked for it; None where the VM is gone."""
    vm = _vm(run)
    if vm is None:
        yield None
        return
    with AgentClient(vm.hypervisor) as agent:
        yield OnHost(run, vm, agent)


@contextmanager
def passing_over(*codes: ErrorCode) -> Iterator[None]:
    """A refusal with one of these codes means that there is nothing left to do."""
    try:
        yield
    except AgentRefused as refusal:
        if refusal.agent_code not in codes:
            raise


def _vm(run: OperationRun) -> Vm | None:
    return Vm.objects.select_related("hypervisor", "project", "cd_image").filter(pk=run.operation.target_id).first()
