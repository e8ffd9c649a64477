"""Operations through Django's tasks API: where they wait, and how they went."""

from __future__ import annotations

import pytest
from django.db import transaction
from django_tasks import default_task_backend
from django_tasks.base import Task, TaskResultStatus
from django_tasks.exceptions import InvalidTaskError, TaskResultDoesNotExist

from common.errors import NotAllowed
from operations import handlers, wakeup
from operations.claims import operation_claim
from operations.errors import UnknownKind
from operations.handlers import Lane
from operations.models import Operation, OperationState
from operations.services import operation_cancel, operation_create
from operations.worker import operation_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def woken(monkeypatch):
    """How often workers of this process were woken."""
    calls = []
    monkeypatch.setattr(wakeup, "wake", lambda: calls.append(1))
    return calls


def queue(cast, kind="test.do"):
    return operation_create(kind=kind, target=cast.acme_vm, project=cast.acme, user=cast.owner)


def result_of(operation):
    return default_task_backend.get_result(str(operation.pk))


def test_each_kind_is_a_task_whose_queue_is_its_lane(kinds):
    handlers.register("test.copy", lane=Lane.COPYING)(lambda run: None)
    assert handlers.find("test.copy").queue_name == "copying"
    assert handlers.find("test.copy").get_backend() == default_task_backend


def test_it_is_enqueued_once_its_row_is_committed(cast, kinds, woken, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        queue(cast)
        assert not woken
    assert woken == [1]


def test_what_is_rolled_back_is_not_enqueued(cast, kinds, woken, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        queue(cast)
        transaction.set_rollback(True)
    assert not woken
    assert not Operation.objects.exists()


def test_what_nobody_does_is_not_queued(cast, kinds):
    with pytest.raises(UnknownKind):
        queue(cast, "test.nobody")
    assert not Operation.objects.exists()


def test_the_same_asked_for_twice_is_one_task(cast, kinds, woken, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert queue(cast) == queue(cast)
    assert woken == [1]


def test_enqueueing_tells_the_operation_it_stands_for(cast, kinds):
    operation = queue(cast)
    queued = handlers.find("test.do").enqueue(operation=str(operation.pk))
    assert (queued.id, queued.status) == (str(operation.pk), TaskResultStatus.READY)
    operation_run(operation_claim(worker="w"))
    queued.refresh()
    assert queued.status == TaskResultStatus.SUCCESSFUL


def test_a_result_follows_its_operation(cast, kinds):
    def tell(run):
        run.result = {"disks": 2}

    handlers.register("test.tell")(tell)
    operation = queue(cast, "test.tell")
    assert result_of(operation).status == TaskResultStatus.READY
    claimed = operation_claim(worker="w")
    running = result_of(operation)
    assert (running.status, running.worker_ids, running.attempts) == (TaskResultStatus.RUNNING, ["w"], 1)
    operation_run(claimed)
    done = handlers.find("test.tell").get_result(str(operation.pk))
    assert done.is_finished
    assert (done.return_value, done.errors) == ({"disks": 2}, [])
    assert done.enqueued_at <= done.started_at <= done.finished_at


def test_a_failed_ones_result_names_the_problem(cast, kinds):
    def refuse(run):
        raise NotAllowed("Ask an owner.")

    handlers.register("test.refuse")(refuse)
    operation = queue(cast, "test.refuse")
    operation_run(operation_claim(worker="w"))
    failed = result_of(operation)
    assert failed.status == TaskResultStatus.FAILED
    assert failed.errors[0].traceback == "not_allowed: Ask an owner."
    assert failed.errors[0].exception_class.__name__ == "EveError"


def test_a_cancelled_one_has_failed(cast, kinds):
    handlers.register("test.long", can_cancel=True)(lambda run: None)
    operation = operation_cancel(operation=queue(cast, "test.long"), user=cast.owner)
    assert operation.state == OperationState.CANCELLED
    assert result_of(operation).status == TaskResultStatus.FAILED


@pytest.mark.parametrize("which", ["no-uuid", "00000000-0000-4000-8000-000000000000"])
def test_what_is_not_there_has_no_result(which, kinds):
    with pytest.raises(TaskResultDoesNotExist):
        default_task_backend.get_result(which)


def test_what_nobody_does_any_more_has_no_result(cast, kinds):
    operation = queue(cast)
    Operation.objects.update(kind="test.nobody")
    with pytest.raises(TaskResultDoesNotExist):
        result_of(operation)


def test_a_task_that_is_no_operation_is_refused():
    with pytest.raises(InvalidTaskError, match=r"operations\.handlers"):
        Task(func=lambda: None, queue_name=Lane.QUICK)


def test_a_queue_that_is_no_lane_is_refused(kinds):
    with pytest.raises(InvalidTaskError, match="'slow' is no lane"):
        handlers.find("test.do").using(queue_name="slow")
