"""Power actions, adopting, moving, forgetting: who may, when, and what the second click does."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection
from eve_agent.wire import codec
from eve_agent.wire.domain import StateAction

from accounts.models import AuditEvent, AuditOutcome, Project, Role
from hypervisors.models import Hypervisor, HypervisorState
from operations.errors import OperationRunning
from operations.models import Operation
from tests.factories import make_member, make_vm
from tests.vms.conftest import make_domain
from vms.drift import Drift
from vms.errors import (
    ActionNotAllowed,
    ActionUnknown,
    AdoptionRefused,
    ForgetRefused,
    NameTaken,
    QuotaExceeded,
    VmHostAway,
    VmNotFound,
    WrongState,
)
from vms.models import DiscoveredDomain, Disk, Quota, Vm, VmState
from vms.quotas import usage_of
from vms.selectors import projects_open_to, role_on, roles_on, vms_for, vms_managed_by, vms_visible_to
from vms.services import vm_accept_drift, vm_adopt, vm_change_state, vm_forget, vm_move, vm_update
from vms.signals import vm_deleted, vm_moved
from vms.states import ALLOWED_IN


def in_state(vm, state):
    Vm.objects.filter(pk=vm.pk).update(state=state)
    return Vm.objects.select_related("project", "hypervisor__site").get(pk=vm.pk)


def discover(hypervisor, **fields):
    domain = make_domain("legacy-dns", **fields)
    return DiscoveredDomain.objects.create(
        hypervisor=hypervisor, uuid=domain.uuid, name=domain.name, facts=codec.to_plain(domain)
    )


# ------------------------------------------------------------------------------------------------ Who sees, who may


MEMBERS = {"owner": "owner", "operator": "operator", "viewer": "viewer"}
STAFF = {"staff_here", "staff_everywhere", "superuser"}


def test_vms_are_seen_through_projects_and_sites_only(cast):
    for part, user in cast.everybody.items():
        own = {cast.acme_vm} if part in MEMBERS else {cast.ottos_vm} if part == "outsider" else set()
        managed = {
            "staff_here": {cast.acme_vm},
            "staff_there": {cast.ottos_vm},
            "staff_everywhere": {cast.acme_vm, cast.ottos_vm},
            "superuser": {cast.acme_vm, cast.ottos_vm},
        }.get(part, set())
        assert set(vms_for(user)) == own, part
        assert set(vms_managed_by(user)) == managed, part
        assert set(vms_visible_to(user)) == own | managed, part


def test_roles_one_by_one_and_all_at_once_are_the_same(cast):
    for part, user in cast.everybody.items():
        vms = [cast.acme_vm, cast.ottos_vm]
        one_by_one = {vm.pk: role for vm in vms if (role := role_on(user, vm))}
        assert roles_on(user, vms) == one_by_one, part
    assert role_on(cast.viewer, cast.acme_vm) == "viewer"
    assert role_on(cast.staff_here, cast.acme_vm) == "operator"
    assert role_on(cast.staff_there, cast.acme_vm) is None


def test_a_disabled_project_hides_its_vms_from_its_members(cast):
    Project.objects.filter(pk=cast.acme.pk).update(is_active=False)
    assert not vms_visible_to(cast.owner).exists()
    assert set(vms_visible_to(cast.staff_here)) == {cast.acme_vm}


@pytest.mark.parametrize("part", ["owner", "operator", "staff_here", "staff_everywhere", "superuser"])
def test_who_may_operate_gets_an_operation(cast, part):
    user = getattr(cast, part)
    operation = vm_change_state(vm=cast.acme_vm, action="stop", user=user)
    assert (operation.kind, operation.target_id, operation.requested_by) == ("vm.stop", cast.acme_vm.pk, user)


def test_a_viewer_is_told_and_it_is_written_down(cast):
    with pytest.raises(ActionNotAllowed) as refusal:
        vm_change_state(vm=cast.acme_vm, action="stop", user=cast.viewer)
    assert refusal.value.status == 403
    assert "operator" in str(refusal.value.detail)
    assert AuditEvent.objects.get(action="vm.stop").outcome == AuditOutcome.DENIED
    assert not Operation.objects.exists()


@pytest.mark.parametrize("part", ["outsider", "staff_there"])
def test_for_others_it_is_not_there(cast, part):
    for attempt in (
        lambda user: vm_change_state(vm=cast.acme_vm, action="stop", user=user),
        lambda user: vm_update(vm=cast.acme_vm, user=user, remarks="x"),
        lambda user: vm_move(vm=cast.acme_vm, project=cast.ottos, user=user),
        lambda user: vm_accept_drift(vm=cast.acme_vm, user=user),
        lambda user: vm_forget(vm=cast.acme_vm, user=user),
    ):
        with pytest.raises(VmNotFound):
            attempt(getattr(cast, part))


# ------------------------------------------------------------------------------------------------ Power


@pytest.mark.parametrize("state", list(VmState))
@pytest.mark.parametrize("action", list(StateAction))
def test_an_action_is_taken_in_the_states_where_it_makes_sense(cast, action, state):
    vm = in_state(cast.acme_vm, state)
    if state in ALLOWED_IN[action]:
        assert vm_change_state(vm=vm, action=action, user=cast.owner).kind == f"vm.{action}"
    else:
        with pytest.raises(WrongState) as refusal:
            vm_change_state(vm=vm, action=action, user=cast.owner)
        assert refusal.value.members == {"state": state}
        assert str(refusal.value.detail).startswith(("acme-web", "What acme-web"))
        assert not Operation.objects.exists()


def test_what_libvirt_would_say_of_starting_what_runs(cast):
    with pytest.raises(WrongState, match="acme-web is running already"):
        vm_change_state(vm=cast.acme_vm, action="start", user=cast.owner)


@pytest.mark.parametrize("action", ["", "explode", "START", "stop; rm -rf /"])
def test_nonsense_is_refused(cast, action):
    with pytest.raises(ActionUnknown):
        vm_change_state(vm=cast.acme_vm, action=action, user=cast.owner)


@pytest.mark.parametrize("state", [state for state in HypervisorState if state != HypervisorState.ONLINE])
def test_while_the_host_is_away_the_reason_is_given(cast, state):
    Hypervisor.objects.update(state=state)
    with pytest.raises(VmHostAway, match="hv-here") as refusal:
        vm_change_state(vm=in_state(cast.acme_vm, VmState.UNKNOWN), action="stop", user=cast.owner)
    assert refusal.value.status == 503
    assert refusal.value.retryable


def test_a_second_click_gets_the_first_operation_another_action_is_refused(cast):
    first = vm_change_state(vm=cast.acme_vm, action="shutdown", user=cast.owner)
    assert vm_change_state(vm=cast.acme_vm, action="shutdown", user=cast.operator) == first
    with pytest.raises(OperationRunning):
        vm_change_state(vm=cast.acme_vm, action="stop", user=cast.owner)


# ------------------------------------------------------------------------------------------------ Adopting


def test_what_was_deleted_meanwhile_is_not_there(cast):
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    Vm.objects.filter(pk=vm.pk).delete()
    with pytest.raises(VmNotFound):
        vm_change_state(vm=vm, action="stop", user=cast.operator)
    assert not Operation.objects.exists()


def test_adopting_gives_it_to_a_project_as_the_host_has_it(cast):
    discovered = discover(cast.hypervisor_here)
    vm = vm_adopt(discovered=discovered, project=cast.acme, user=cast.staff_here)
    assert (vm.pk, vm.name, vm.project, vm.hypervisor) == (
        discovered.uuid,
        "legacy-dns",
        cast.acme,
        cast.hypervisor_here,
    )
    assert (vm.vcpus, vm.memory_bytes, vm.state) == (2, 2 * 1024**3, VmState.RUNNING)
    assert not DiscoveredDomain.objects.exists()
    assert AuditEvent.objects.get(action="vm.adopt").actor == cast.staff_here
    assert not Drift(cast.staff_here).total


def test_adopting_again_gives_the_same_vm_but_not_to_another_project(cast):
    discovered = discover(cast.hypervisor_here)
    vm = vm_adopt(discovered=discovered, project=cast.acme, user=cast.staff_here)
    discovered.pk = 999
    assert vm_adopt(discovered=discovered, project=cast.acme, user=cast.staff_here) == vm
    with pytest.raises(AdoptionRefused, match="Acme"):
        vm_adopt(discovered=discovered, project=cast.ottos, user=cast.staff_here)


@pytest.mark.django_db(transaction=True)
def test_many_adopting_at_once_make_one_vm(cast):
    discovered = discover(cast.hypervisor_here)
    outcomes, barrier = [], threading.Barrier(6)

    def adopt(project):
        try:
            barrier.wait()
            outcomes.append(vm_adopt(discovered=discovered, project=project, user=cast.superuser).project_id)
        except AdoptionRefused:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=adopt, args=[(cast.acme, cast.ottos)[number % 2]]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 6
    assert {each for each in outcomes if each} == {Vm.objects.get(pk=discovered.uuid).project_id}
    assert AuditEvent.objects.filter(action="vm.adopt").count() == 1


def test_a_conflict_cannot_be_adopted(cast):
    discovered = discover(cast.hypervisor_there, uuid=cast.acme_vm.pk)
    with pytest.raises(AdoptionRefused, match="hv-here"):
        vm_adopt(discovered=discovered, project=cast.ottos, user=cast.superuser)
    assert Vm.objects.get(pk=cast.acme_vm.pk).hypervisor == cast.hypervisor_here


@pytest.mark.parametrize("part", ["owner", "outsider", "staff_there"])
def test_only_who_manages_the_host_adopts(cast, part):
    with pytest.raises(VmNotFound):
        vm_adopt(discovered=discover(cast.hypervisor_here), project=cast.acme, user=getattr(cast, part))


def test_an_inactive_project_gets_nothing(cast):
    cast.acme.is_active = False
    with pytest.raises(AdoptionRefused, match="not active"):
        vm_adopt(discovered=discover(cast.hypervisor_here), project=cast.acme, user=cast.superuser)


def test_what_is_adopted_while_its_host_is_away_is_unknown(cast):
    Hypervisor.objects.update(state=HypervisorState.OFFLINE)
    vm = vm_adopt(discovered=discover(cast.hypervisor_here), project=cast.acme, user=cast.superuser)
    assert vm.state == VmState.UNKNOWN


# ------------------------------------------------------------------------------------------------ Moving, forgetting, drift


@pytest.fixture
def heard():
    """What vms/ announced to the apps above."""
    told = []

    def moved(*, vm_id, project_id, **_):
        told.append(("moved", vm_id, project_id))

    def deleted(*, vm_id, reason, **_):
        told.append(("deleted", vm_id, reason))

    vm_moved.connect(moved)
    vm_deleted.connect(deleted)
    yield told
    vm_moved.disconnect(moved)
    vm_deleted.disconnect(deleted)


def test_staff_move_a_vm_and_it_is_announced(cast, heard, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        vm_move(vm=cast.acme_vm, project=cast.ottos, user=cast.staff_here)
    assert heard == [("moved", cast.acme_vm.pk, cast.ottos.pk)]
    assert not vms_for(cast.owner).exists()
    assert cast.acme_vm in vms_for(cast.outsider)
    assert {event.project for event in AuditEvent.objects.filter(action="vm.move")} == {cast.acme, cast.ottos}


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.OWNER])
def test_an_owner_moves_one_to_where_they_may_make_machines(cast, role):
    with pytest.raises(ActionNotAllowed):
        vm_move(vm=cast.acme_vm, project=cast.ottos, user=cast.owner)
    member = make_member(cast.ottos, cast.owner, Role.VIEWER)
    with pytest.raises(ActionNotAllowed):
        vm_move(vm=cast.acme_vm, project=cast.ottos, user=cast.owner)
    member.role = role
    member.save()
    assert vm_move(vm=cast.acme_vm, project=cast.ottos, user=cast.owner).project == cast.ottos


@pytest.mark.parametrize("part", ["operator", "viewer"])
def test_who_is_not_its_owner_carries_no_machine_off(cast, part):
    """Not even to where they are owners: Acme's owners would lose it."""
    user = getattr(cast, part)
    assert not projects_open_to(user, cast.acme_vm).exists()
    with pytest.raises(ActionNotAllowed):
        vm_move(vm=cast.acme_vm, project=user.personal_project, user=user)
    assert Vm.objects.get(pk=cast.acme_vm.pk).project == cast.acme
    assert AuditEvent.objects.get(action="vm.move").outcome == AuditOutcome.DENIED


def test_what_moves_fits_into_the_quota_and_takes_its_disks_along(cast):
    vm, own = cast.acme_vm, cast.owner.personal_project
    disk = Disk.objects.create(
        project=cast.acme, vm=vm, hypervisor=vm.hypervisor, pool="default", size_bytes=5 * 1024**3
    )
    quota = Quota.objects.create(project=own, disk_bytes=4 * 1024**3)
    with pytest.raises(QuotaExceeded):
        vm_move(vm=vm, project=own, user=cast.owner)
    quota.disk_bytes = 5 * 1024**3
    quota.save()
    vm_move(vm=vm, project=own, user=cast.owner)
    disk.refresh_from_db()
    assert disk.project == own
    assert usage_of(cast.acme).disk_bytes == 0


def test_a_name_that_the_other_project_has_does_not_move_there(cast):
    own = cast.owner.personal_project
    make_vm(own, cast.hypervisor_here, "acme-web", is_made_by_eve=True)
    Vm.objects.filter(pk=cast.acme_vm.pk).update(is_made_by_eve=True)
    with pytest.raises(NameTaken, match="Rename"):
        vm_move(vm=cast.acme_vm, project=own, user=cast.owner)
    assert Vm.objects.get(pk=cast.acme_vm.pk).project == cast.acme


def test_nothing_moves_while_it_is_changed(cast):
    vm_change_state(vm=cast.acme_vm, action="stop", user=cast.owner)
    with pytest.raises(WrongState, match="under way"):
        vm_move(vm=cast.acme_vm, project=cast.ottos, user=cast.superuser)


def test_moving_to_where_it_is_changes_nothing(cast, heard, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        vm_move(vm=cast.acme_vm, project=cast.acme, user=cast.superuser)
    assert heard == []


def test_only_what_is_missing_is_forgotten(cast, heard, django_capture_on_commit_callbacks):
    with pytest.raises(ForgetRefused):
        vm_forget(vm=cast.acme_vm, user=cast.superuser)
    with django_capture_on_commit_callbacks(execute=True):
        vm_forget(vm=in_state(cast.acme_vm, VmState.MISSING), user=cast.staff_here)
    assert heard == [("deleted", cast.acme_vm.pk, "forgotten")]
    assert not Vm.objects.filter(pk=cast.acme_vm.pk).exists()


def test_customers_forget_nothing(cast):
    with pytest.raises(VmNotFound):
        vm_forget(vm=in_state(cast.acme_vm, VmState.MISSING), user=cast.owner)


def test_drift_is_seen_by_who_manages_the_host_and_accepted(cast):
    Vm.objects.filter(pk=cast.acme_vm.pk).update(seen_vcpus=4, seen_memory_bytes=1024**3)
    Vm.objects.filter(pk=cast.ottos_vm.pk).update(seen_vcpus=1, seen_memory_bytes=256 * 1024**2)
    assert list(Drift(cast.staff_here).changed) == [cast.acme_vm]
    assert list(Drift(cast.staff_there).changed) == []
    vm_accept_drift(vm=Vm.objects.get(pk=cast.acme_vm.pk), user=cast.staff_here)
    assert Drift(cast.superuser).total == 0
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert (vm.vcpus, vm.memory_bytes) == (4, 1024**3)


def test_all_kinds_of_drift_are_told_apart(cast):
    discover(cast.hypervisor_here)
    DiscoveredDomain.objects.create(
        hypervisor=cast.hypervisor_there, uuid=cast.acme_vm.pk, name="copy", is_conflict=True
    )
    in_state(cast.ottos_vm, VmState.MISSING)
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(domain_count=2)
    Hypervisor.objects.filter(pk=cast.hypervisor_there.pk).update(domain_count=0)
    drift = Drift(cast.superuser)
    assert [row.name for row in drift.unknown] == ["legacy-dns"]
    assert [row.name for row in drift.conflicts] == ["copy"]
    assert list(drift.missing) == [cast.ottos_vm]
    assert [(host.name, host.domain_count, host.vm_count) for host in drift.counts] == [("hv-here", 2, 1)]
    assert drift.total == 3
    assert Drift(cast.owner).total == 0


def test_remarks_are_written_by_operators(cast):
    vm_update(vm=cast.acme_vm, user=cast.operator, remarks="x" * 20_000)
    assert len(Vm.objects.get(pk=cast.acme_vm.pk).remarks) == 10_000
    with pytest.raises(ActionNotAllowed):
        vm_update(vm=cast.acme_vm, user=cast.viewer, remarks="mine")


def test_a_vm_keeps_its_project_and_host_from_being_deleted(cast):
    from django.db.models import ProtectedError

    with pytest.raises(ProtectedError):
        cast.acme.delete()
    with pytest.raises(ProtectedError):
        cast.hypervisor_here.delete()
    assert uuid.UUID(str(cast.acme_vm.pk))
