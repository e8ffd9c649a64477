"""What happened is in the outbox if and only if it happened, and reaches those whom it concerns, once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone
from eve_agent.wire.domain import DomainState

from accounts.models import Membership, Project, User
from accounts.services import membership_remove
from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.services import hypervisor_state_set
from notifications.models import Condition, Delivery, Event, Kind, Notice
from notifications.selectors import notices_for
from notifications.services import events as event_services
from notifications.services import spreading
from operations.claims import operation_claim, operation_end
from operations.services import operation_cancel, operation_create
from tests.cast import Cast
from tests.vms.conftest import domain_of_vm
from vms.inventory import domain_apply

from .conftest import PROBLEM, events, fail_operation


def told_to() -> set[User]:
    return {notice.user for notice in Notice.objects.select_related("user")}


def test_a_failed_operation_is_told_to_the_members(cast: Cast) -> None:
    operation = fail_operation(cast)
    event = Event.objects.get()
    assert (event.kind, event.project, event.target_id) == (Kind.OPERATION_FAILED, cast.acme, cast.acme_vm.pk)
    assert event.detail == {
        "operation": str(operation.pk),
        "kind": "vm.start",
        "code": "wrong",
        "detail": "The disk is full.",
    }
    assert spreading.events_spread() == 1
    assert told_to() == {cast.owner, cast.operator, cast.viewer}
    assert spreading.events_spread() == 0
    assert Notice.objects.count() == 3


def test_what_went_well_or_was_cancelled_is_not_told(cast: Cast) -> None:
    operation_create(kind="vm.start", target=cast.acme_vm, project=cast.acme, user=cast.owner)
    assert operation_end(operation=operation_claim(worker="w"))
    second = operation_create(kind="vm.create", target=cast.acme_vm, project=cast.acme, user=cast.owner)
    operation_cancel(operation=second, user=cast.owner)
    assert events(Kind.OPERATION_FAILED) == []


def test_without_a_project_who_asked_for_it_is_told_alone(cast: Cast) -> None:
    fail_operation(cast, project=None, user=cast.staff_here)
    spreading.events_spread()
    assert told_to() == {cast.staff_here}


class Broken(Exception):
    pass


@pytest.mark.django_db(transaction=True)
def test_what_was_rolled_back_is_not_told(cast: Cast) -> None:
    operation_create(kind="vm.start", target=cast.acme_vm, project=cast.acme, user=cast.owner)
    operation = operation_claim(worker="w")
    Hypervisor.objects.update(last_seen_at=timezone.now())

    def fall() -> None:
        with transaction.atomic():
            operation_end(operation=operation, problem=PROBLEM)
            domain_apply(
                hypervisor_id=cast.hypervisor_here.pk,
                domain=domain_of_vm(cast.acme_vm, state=DomainState.CRASHED),
            )
            hypervisor_state_set(hypervisor_id=cast.hypervisor_here.pk, state=HypervisorState.OFFLINE)
            assert Event.objects.count() == 2
            assert Condition.objects.count() == 2
            raise Broken

    with pytest.raises(Broken):
        fall()
    assert not Event.objects.exists()
    assert not Condition.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nothing_changes_that_could_not_be_told(cast: Cast, monkeypatch: Any) -> None:
    def fail(**_: Any) -> None:
        raise Broken

    operation_create(kind="vm.start", target=cast.acme_vm, project=cast.acme, user=cast.owner)
    operation = operation_claim(worker="w")
    monkeypatch.setattr(Event.objects, "create", fail)
    with pytest.raises(Broken):
        operation_end(operation=operation, problem=PROBLEM)
    operation.refresh_from_db()
    assert operation.state == "running"
    assert event_services.event_record


def test_the_disabled_and_those_who_left_get_nothing(cast: Cast) -> None:
    fail_operation(cast)
    User.objects.filter(pk=cast.operator.pk).update(is_active=False)
    membership_remove(project=cast.acme, user=cast.viewer, by=cast.owner)
    spreading.events_spread()
    assert told_to() == {cast.owner}


def test_who_leaves_loses_what_they_were_told(cast: Cast) -> None:
    fail_operation(cast)
    spreading.events_spread()
    assert notices_for(cast.viewer).count() == 1
    membership_remove(project=cast.acme, user=cast.viewer, by=cast.owner)
    assert notices_for(cast.viewer).count() == 0
    Project.objects.filter(pk=cast.acme.pk).update(is_active=False)
    assert notices_for(cast.owner).count() == 0


def test_a_project_that_is_switched_off_tells_nobody(cast: Cast) -> None:
    fail_operation(cast)
    Project.objects.filter(pk=cast.acme.pk).update(is_active=False)
    spreading.events_spread()
    assert told_to() == set()


@pytest.mark.django_db(transaction=True)
def test_of_many_couriers_one_spreads(cast: Cast) -> None:
    for _ in range(6):
        fail_operation(cast)
    faults: list[BaseException] = []

    def spread() -> None:
        try:
            while spreading.events_spread():
                pass
        except BaseException as error:
            faults.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=spread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert Notice.objects.count() == 6 * 3


@pytest.mark.django_db(transaction=True)
def test_a_courier_killed_in_the_middle_has_spread_nothing(cast: Cast, monkeypatch: Any) -> None:
    fail_operation(cast)

    def die(*_: Any) -> None:
        raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(spreading, "_posts", die)
        with pytest.raises(Broken):
            spreading.events_spread()
    assert not Notice.objects.exists()
    assert spreading.events_spread() == 1
    assert Notice.objects.count() == 3


def test_one_person_gets_so_many_mails_and_no_more(cast: Cast, settings: Any) -> None:
    Membership.objects.exclude(user=cast.owner).delete()
    earlier = Event.objects.bulk_create(
        Event(kind=Kind.VM_CRASHED, target_id=cast.acme_vm.pk, target_label="x", spread_at=timezone.now())
        for _ in range(spreading.MAILS_PER_HOUR - 1)
    )
    Delivery.objects.bulk_create(Delivery(event=event, user=cast.owner) for event in earlier)
    for _ in range(3):
        Condition.objects.all().delete()
        domain_apply(hypervisor_id=cast.hypervisor_here.pk, domain=domain_of_vm(cast.acme_vm))
        domain_apply(
            hypervisor_id=cast.hypervisor_here.pk, domain=domain_of_vm(cast.acme_vm, state=DomainState.CRASHED)
        )
    spreading.events_spread()
    assert Notice.objects.filter(user=cast.owner).count() == 3
    assert Delivery.objects.filter(user=cast.owner).count() == spreading.MAILS_PER_HOUR
