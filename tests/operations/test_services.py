"""Queued, claimed, taken over, ended."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from accounts.models import AuditEvent, AuditOutcome
from common.context import RequestContext, request_context
from common.problems import problem
from operations import claims, services
from operations.claims import operation_claim, operation_end, operation_heartbeat
from operations.errors import OperationRunning
from operations.models import Operation, OperationState
from operations.services import operation_create
from operations.signals import operation_changed

PROBLEM = problem(status_code=409, code="wrong", title="Wrong", detail="It went wrong.")


def queue(cast, kind="test.do", **arguments):
    return operation_create(kind=kind, target=cast.acme_vm, project=cast.acme, user=cast.owner, arguments=arguments)


def test_a_new_operation_keeps_who_wanted_what_and_from_where(cast, kinds):
    with request_context(RequestContext(address="2001:db8::7", request_id="req-1")):
        operation = queue(cast)
    assert (operation.state, operation.target_type, operation.target_id) == ("queued", "vm", cast.acme_vm.pk)
    assert (operation.target_label, operation.requested_by, operation.project) == ("acme-web", cast.owner, cast.acme)
    assert (operation.address, operation.request_id) == ("2001:db8::7", "req-1")


def test_a_second_click_gets_the_same_operation(cast, kinds):
    assert queue(cast) == queue(cast)
    assert Operation.objects.count() == 1


def test_another_change_of_the_same_target_is_refused_with_the_address_of_the_first(cast, kinds):
    first = queue(cast)
    with pytest.raises(OperationRunning) as refusal:
        queue(cast, kind="test.once")
    assert refusal.value.status == 409
    assert refusal.value.members["operation"] == f"/api/v1/operations/{first.pk}"
    with pytest.raises(OperationRunning):
        queue(cast, hard=True)


def test_another_target_is_no_matter(cast, kinds):
    queue(cast)
    other = operation_create(kind="test.once", target=cast.ottos_vm, project=cast.ottos, user=cast.outsider)
    assert other.state == OperationState.QUEUED


def test_once_it_is_over_the_next_is_welcome(cast, kinds):
    first = queue(cast)
    assert operation_end(operation=operation_claim(worker="w"))
    assert queue(cast) != first


@pytest.mark.django_db(transaction=True)
def test_many_clicks_at_once_make_one_operation(cast, kinds):
    made, barrier = [], threading.Barrier(8)

    def click():
        try:
            barrier.wait()
            made.append(queue(cast).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


@pytest.mark.django_db(transaction=True)
def test_many_workers_claim_an_operation_once(cast, kinds):
    queue(cast)
    claimed, barrier = [], threading.Barrier(8)

    def claim(name):
        try:
            close_old_connections()
            barrier.wait()
            claimed.append(operation_claim(worker=name))
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=[f"worker-{number}"]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (operation,) = [each for each in claimed if each]
    assert operation.state == OperationState.RUNNING
    assert operation.attempts == 1
    assert Operation.objects.get().worker == operation.worker


@pytest.mark.parametrize("is_left_behind", [False, True])
def test_of_two_workers_that_saw_the_same_one_gets_it(cast, kinds, is_left_behind):
    queue(cast)
    if is_left_behind:
        lapse(operation_claim(worker="killed"))
    seen_by_first, seen_by_second = Operation.objects.get(), Operation.objects.get()
    assert claims._take(seen_by_first, "first")
    assert not claims._take(seen_by_second, "second")
    assert Operation.objects.get().worker == "first"


def test_the_oldest_comes_first(cast, kinds):
    queue(cast)
    operation_create(kind="test.do", target=cast.ottos_vm, project=cast.ottos, user=cast.outsider)
    assert operation_claim(worker="w").target_id == cast.acme_vm.pk
    assert operation_claim(worker="w").target_id == cast.ottos_vm.pk
    assert operation_claim(worker="w") is None


def lapse(operation):
    Operation.objects.filter(pk=operation.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))


def test_a_living_workers_operation_is_left_alone(cast, kinds):
    queue(cast)
    operation = operation_claim(worker="w")
    operation_heartbeat(worker="w", operations=[operation.pk])
    assert operation_claim(worker="other") is None


def test_a_killed_workers_operation_is_begun_again_where_that_does_no_harm(cast, kinds):
    queue(cast)
    first = operation_claim(worker="killed")
    lapse(first)
    second = operation_claim(worker="next")
    assert (second.pk, second.worker, second.attempts) == (first.pk, "next", 2)
    assert second.started_at == first.started_at


def test_a_worker_that_lost_its_operation_cannot_end_it(cast, kinds):
    queue(cast)
    first = operation_claim(worker="slow")
    lapse(first)
    operation_claim(worker="next")
    assert not operation_end(operation=first, problem=PROBLEM)
    assert Operation.objects.get().state == OperationState.RUNNING
    assert not AuditEvent.objects.filter(action="test.do").exists()


def test_a_lost_heartbeat_does_not_prolong_somebody_elses_lease(cast, kinds):
    queue(cast)
    first = operation_claim(worker="slow")
    lapse(first)
    second = operation_claim(worker="next")
    lapse(second)
    operation_heartbeat(worker="slow", operations=[first.pk])
    assert Operation.objects.get().lease_until < timezone.now()


def test_what_must_not_be_done_twice_fails_with_clear_words(cast, kinds):
    queue(cast, kind="test.once")
    lapse(operation_claim(worker="killed"))
    assert operation_claim(worker="next") is None
    operation = Operation.objects.get()
    assert operation.state == OperationState.FAILED
    assert operation.error["code"] == "operation_interrupted"
    assert "may or may not have been done" in operation.error["detail"]


def test_what_kills_its_workers_is_not_tried_for_ever(cast, kinds):
    queue(cast)
    for _attempt in range(claims.MAX_ATTEMPTS):
        lapse(operation_claim(worker="killed"))
    assert operation_claim(worker="next") is None
    assert Operation.objects.get().state == OperationState.FAILED


def test_what_waited_too_long_is_not_done_any_more(cast, kinds):
    operation = queue(cast)
    old = timezone.now() - dt.timedelta(seconds=claims.QUEUE_SECONDS + 1)
    Operation.objects.filter(pk=operation.pk).update(created_at=old)
    assert operation_claim(worker="w") is None
    operation.refresh_from_db()
    assert operation.state == OperationState.FAILED
    assert operation.error["code"] == "operation_expired"


def test_the_end_is_audited_with_its_outcome(cast, kinds):
    queue(cast)
    with request_context(RequestContext(address="192.0.2.9", request_id="req-2")):
        operation_end(operation=operation_claim(worker="w"), problem=PROBLEM)
    event = AuditEvent.objects.get(action="test.do")
    assert (event.actor, event.target_id, event.project) == (cast.owner, str(cast.acme_vm.pk), cast.acme)
    assert event.outcome == AuditOutcome.FAILURE
    assert event.detail["error"] == "wrong"
    assert event.address == "192.0.2.9"


def test_every_step_is_announced_once_it_is_committed(cast, kinds, django_capture_on_commit_callbacks):
    heard = []

    def hear(*, operation, **_):
        heard.append(operation.state)

    operation_changed.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            queue(cast)
            assert heard == []
        with django_capture_on_commit_callbacks(execute=True):
            operation = operation_claim(worker="w")
        with django_capture_on_commit_callbacks(execute=True):
            operation_end(operation=operation)
    finally:
        operation_changed.disconnect(hear)
    assert heard == ["queued", "running", "succeeded"]


def test_a_refused_operation_leaves_the_callers_transaction_usable(cast, kinds):
    queue(cast)
    with transaction.atomic():
        with pytest.raises(OperationRunning):
            queue(cast, kind="test.once")
        assert Operation.objects.count() == 1


def test_what_ended_long_ago_is_swept_and_its_audit_kept(cast, kinds, settings, monkeypatch):
    monkeypatch.setattr("common.sweeping.MOST_AT_ONCE", 2)
    long_ago = timezone.now() - dt.timedelta(days=91)
    old = []
    for _ in range(3):
        operation = queue(cast)
        operation_end(operation=operation_claim(worker="a"))
        old.append(operation.pk)
    Operation.objects.update(created_at=long_ago, finished_at=long_ago)
    late = queue(cast)
    operation_end(operation=operation_claim(worker="a"))
    Operation.objects.filter(pk=late.pk).update(created_at=long_ago)
    active = queue(cast)
    Operation.objects.filter(pk=active.pk).update(created_at=long_ago)
    settings.OPERATION_DAYS = 0
    assert services.operations_sweep() == 0
    settings.OPERATION_DAYS = 90
    assert [services.operations_sweep() for _ in range(3)] == [2, 1, 0]
    assert set(Operation.objects.values_list("pk", flat=True)) == {late.pk, active.pk}
    assert AuditEvent.objects.filter(action="test.do", detail__operation=str(old[0])).exists()
