"""From Eve on: the agent of the VM's host, and whether the VM has a screen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from django.core.cache import cache
from django.utils import timezone
from eve_agent.wire.domain import Domain, DomainState, GraphicsKind
from eve_agent.wire.errors import ErrorCode

from accounts.models import User
from accounts.throttle import attempt_reserve, limit_of
from common.errors import EveError
from hypervisors.client import AgentClient
from hypervisors.doctor import Outcome, Step, connection_test
from hypervisors.errors import AgentRefused
from hypervisors.models import Hypervisor
from hypervisors.selectors import hypervisor_for
from vms.models import Vm, VmState
from vms.states import state_of

from .way_in import TESTS_PER_WINDOW, Seen

TEST_SECONDS = 60
"""No test of a host takes longer; one that was killed holds up others for as long."""


@dataclass(frozen=True, slots=True)
class HostReport:
    """What was found from Eve on."""

    at: dt.datetime
    steps: list[Step]
    """The way to the agent. Who does not look after the host learns which step failed, not why."""
    host_findings: list[Seen]
    vm_findings: list[Seen]


def host_test(*, user: User, vm: Vm) -> HostReport:
    """Walks from Eve to the VM's host and asks how the VM is. Takes up to a minute where the host is away. Raises TooManyAttempts."""
    attempt_reserve(limit_of("console-doctor-host", str(user.pk), most=TESTS_PER_WINDOW))
    host = vm.hypervisor
    key, at = f"console-doctor-host:{host.pk}", timezone.now()
    if not cache.add(key, True, TEST_SECONDS):
        return HostReport(at, [], [Seen("host_busy", {"host": host.name})], [])
    try:
        steps = connection_test(Hypervisor.objects.get(pk=host.pk))
        failed = next((step for step in steps if step.outcome is Outcome.FAILED), None)
        away = [Seen("host_away", {"host": host.name, "step": str(failed.title)})] if failed else []
        found = [] if failed else vm_findings(vm, lambda: _domain(vm))
    finally:
        cache.delete(key)
    is_theirs = hypervisor_for(user, host.pk) is not None
    return HostReport(at, steps if is_theirs else [_without_detail(step) for step in steps], away, found)


def vm_findings(vm: Vm, ask: Callable[[], Domain]) -> list[Seen]:
    """Why the VM has no screen that Eve can show, as its host says now."""
    names = {"name": vm.name, "host": vm.hypervisor.name}
    try:
        domain = ask()
    except EveError as error:
        if isinstance(error, AgentRefused) and error.agent_code is ErrorCode.DOMAIN_NOT_FOUND:
            return [Seen("vm_missing", names)]
        return [Seen("vm_unknown", {**names, "detail": str(error.detail)})]
    if domain.state is DomainState.OFF:
        return [Seen("vm_crashed" if state_of(domain) == VmState.CRASHED else "vm_off", names)]
    if not any(each.kind is GraphicsKind.VNC for each in domain.graphics):
        return [Seen("no_display", names)]
    return []


def _domain(vm: Vm) -> Domain:
    with AgentClient(vm.hypervisor) as agent:
        return agent.domain(vm.pk)


def _without_detail(step: Step) -> Step:
    return Step(step.code, step.title, step.outcome, step.milliseconds, "")
