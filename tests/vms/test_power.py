"""How a power action is done: at the host, then in the row, then in the audit."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from eve_agent.wire.domain import DomainState, StateAction
from eve_agent.wire.errors import ErrorCode

from accounts.models import AuditEvent, AuditOutcome, Membership, Role, User
from hypervisors.errors import AgentRefused, HostAway
from operations import handlers
from operations.claims import operation_claim
from operations.models import Operation, OperationState
from operations.worker import operation_run
from tests.cast import Cast
from tests.vms.conftest import domain_of_vm
from vms.inventory import domain_apply
from vms.models import Vm, VmState
from vms.services import vm_change_state
from vms.states import DOING, DOING_SHORT


def do(cast, action="stop", user=None):
    vm_change_state(vm=cast.acme_vm, action=action, user=user or cast.owner)
    operation_run(operation_claim(worker="w"))
    return Operation.objects.get()


def test_the_host_is_asked_and_its_answer_written_down_at_once(cast, agent):
    agent.answer = domain_of_vm(cast.acme_vm, state=DomainState.OFF, reason="destroyed")
    operation = do(cast)
    assert operation.state == OperationState.SUCCEEDED
    assert agent.asked == [("change_state", "hv-here", cast.acme_vm.pk, StateAction.STOP, str(operation.pk))]
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert (vm.state, vm.state_reason) == (VmState.OFF, "destroyed")
    event = AuditEvent.objects.get(action="vm.stop")
    assert (event.actor, event.outcome, event.target_label) == (cast.owner, AuditOutcome.SUCCESS, "acme-web")


def test_a_refusal_of_the_hosts_is_told_in_eves_words_and_to_staff_in_its_own(cast, agent, client):
    agent.answer = AgentRefused("Canary is not valid.", agent_code=ErrorCode.ACTION_REFUSED)
    operation = do(cast)
    assert operation.state == OperationState.FAILED
    assert (operation.error["code"], operation.error["agent_code"]) == ("agent_refused", "action_refused")
    assert operation.error["detail"].startswith("The host's libvirt refused.")
    for user in (cast.owner, cast.viewer, cast.staff_here):
        client.force_login(user)
        told = [
            cast.api(user).get(f"/api/v1/operations/{operation.pk}").content,
            client.get(f"/vms/{cast.acme_vm.pk}/").content,
        ]
        assert all(b"libvirt refused" in body for body in told)
        assert [b"Canary" in body for body in told] == [user.is_staff] * 2
    assert b"For the staff: Canary" in client.get("/manage/operations/").content
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.RUNNING
    assert AuditEvent.objects.get(action="vm.stop").outcome == AuditOutcome.FAILURE


def test_a_host_that_goes_away_meanwhile_fails_it(cast, agent):
    agent.answer = HostAway("hv-here does not answer.")
    assert do(cast).error["code"] == "host_away"


def test_an_event_that_came_meanwhile_is_newer_than_the_answer(cast, agent):
    def answer():
        crashed = domain_of_vm(cast.acme_vm, state=DomainState.OFF, reason="crashed")
        domain_apply(hypervisor_id=cast.hypervisor_here.pk, domain=crashed)
        return domain_of_vm(cast.acme_vm, state=DomainState.RUNNING)

    agent.answer = answer
    do(cast, "reset")
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.CRASHED


def test_an_answer_about_another_vm_changes_nothing(cast, agent):
    agent.answer = domain_of_vm(cast.ottos_vm, state=DomainState.OFF)
    do(cast)
    assert Vm.objects.get(pk=cast.ottos_vm.pk).state == VmState.RUNNING
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.RUNNING


def asked_to_shut_down(cast: Cast, agent: Any, *, seconds_ago: float) -> dict[str, Any]:
    """What the API says of the state of a machine that runs for long and was asked so long ago."""
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state_since=timezone.now() - dt.timedelta(days=1))
    agent.answer = domain_of_vm(cast.acme_vm)
    do(cast, "shutdown")
    Operation.objects.update(finished_at=timezone.now() - dt.timedelta(seconds=seconds_ago))
    state: dict[str, Any] = cast.api(cast.viewer).get(f"/api/v1/vms/{cast.acme_vm.pk}/state").json()
    return state


def test_a_guest_that_was_asked_to_shut_down_has_time(cast, agent, client):
    assert asked_to_shut_down(cast, agent, seconds_ago=100)["shutdown"] == "asked"
    client.force_login(cast.owner)
    page = client.get(f"/vms/{cast.acme_vm.pk}/").content.decode()
    assert "was asked to shut down; it may take a moment" in page
    assert 'hx-trigger="every 10s"' in page


def test_a_guest_that_ignores_it_is_said_to(cast, agent, client):
    assert asked_to_shut_down(cast, agent, seconds_ago=130)["shutdown"] == "ignored"
    client.force_login(cast.owner)
    page = client.get(f"/vms/{cast.acme_vm.pk}/").content.decode()
    assert "was asked to shut down and still runs" in page
    assert "it may take a moment" not in page
    assert "hx-trigger" not in page.split('id="vm-')[1].split("tabs")[0]
    assert "was asked to shut down and still runs" in client.get("/vms/").content.decode()
    assert vm_change_state(vm=cast.acme_vm, action="stop", user=cast.owner).kind == "vm.stop"
    state = cast.api(cast.owner).get(f"/api/v1/vms/{cast.acme_vm.pk}/state").json()
    assert state["shutdown"] is None


@pytest.mark.parametrize("state", [DomainState.OFF, DomainState.RUNNING])
def test_a_guest_that_obeyed_is_said_nothing_of(cast, agent, state):
    """Nor one that was started again since."""
    asked_to_shut_down(cast, agent, seconds_ago=130)
    for now in (DomainState.OFF, state):
        domain_apply(hypervisor_id=cast.hypervisor_here.pk, domain=domain_of_vm(cast.acme_vm, state=now))
    told = cast.api(cast.owner).get(f"/api/v1/vms/{cast.acme_vm.pk}/state").json()
    assert (told["state"], told["shutdown"]) == (state.value, None)


@pytest.mark.parametrize("how", ["role", "membership", "user"])
def test_who_lost_the_right_meanwhile_gets_nothing_done(cast, agent, how):
    vm_change_state(vm=cast.acme_vm, action="stop", user=cast.operator)
    if how == "role":
        Membership.objects.filter(user=cast.operator, project=cast.acme).update(role=Role.VIEWER)
    elif how == "membership":
        Membership.objects.filter(user=cast.operator, project=cast.acme).delete()
    else:
        User.objects.filter(pk=cast.operator.pk).update(is_active=False)
    operation_run(operation_claim(worker="w"))
    assert agent.asked == []
    assert Operation.objects.get().error["code"] == "not_allowed"
    assert AuditEvent.objects.get(action="vm.stop").outcome == AuditOutcome.DENIED


def test_a_vm_that_is_gone_meanwhile_fails_it(cast, agent):
    vm_change_state(vm=cast.acme_vm, action="stop", user=cast.owner)
    Vm.objects.filter(pk=cast.acme_vm.pk).delete()
    operation_run(operation_claim(worker="w"))
    assert Operation.objects.get().error["code"] == "not_found"
    assert agent.asked == []


def test_only_a_reset_or_reboot_is_never_done_twice_by_itself():
    repeatable = {action for action in StateAction if handlers.find(f"vm.{action}").is_idempotent}
    assert repeatable == set(StateAction) - {StateAction.RESET, StateAction.REBOOT}


def test_a_badge_says_a_whole_thing():
    """It stands without the name that else follows."""
    assert set(DOING_SHORT) == set(DOING)
    ends = (" to", " of", " from", " in")
    assert [words for words in map(str, DOING_SHORT.values()) if words.endswith(ends)] == []
