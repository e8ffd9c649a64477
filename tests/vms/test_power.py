"""How a power action is done: at the host, then in the row, then in the audit."""

from __future__ import annotations

import pytest
from eve_agent.wire.domain import DomainState, StateAction
from eve_agent.wire.errors import ErrorCode

from accounts.models import AuditEvent, AuditOutcome, Membership, Role, User
from hypervisors.errors import AgentRefused, HostAway
from operations import handlers
from operations.claims import operation_claim
from operations.models import Operation, OperationState
from operations.worker import operation_run
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
    assert b"The host says: Canary" in client.get("/manage/operations/").content
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
