"""Steps, cancelling, and taking back what was begun."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from common.errors import NotAllowed, Unavailable
from operations import claims, handlers, run
from operations.claims import operation_claim
from operations.errors import CannotCancel, OperationLost
from operations.models import Operation, OperationState
from operations.run import OperationRun
from operations.services import operation_cancel, operation_create
from operations.worker import operation_run


class Bench:
    """A kind with two steps and an undo; what they did is in `log`, and what they meet is set by the test."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.between: Callable[[OperationRun], None] = lambda run: None
        self.undo_errors: list[Exception] = []

    def handle(self, run: OperationRun) -> None:
        run.step("first", "Doing the first", percent=10)
        self.log.append("first")
        self.between(run)
        run.step("second", "Doing the second", percent=60)
        self.log.append("second")
        run.result = {"made": 2}

    def undo(self, run: OperationRun) -> None:
        run.step("undo", "Taking it back", percent=50)
        if self.undo_errors:
            raise self.undo_errors.pop(0)
        self.log.append("undone")


@pytest.fixture
def bench(kinds: list[Operation]) -> Bench:
    made = Bench()
    handlers.register("test.steps", is_idempotent=True, undo=made.undo, can_cancel=True)(made.handle)
    handlers.register("test.plain", is_idempotent=True, can_cancel=True)(made.handle)
    return made


def queue(cast: Any, kind: str = "test.steps") -> Operation:
    return operation_create(kind=kind, target=cast.acme_vm, project=cast.acme, user=cast.owner)


def work(name: str = "w") -> Operation:
    operation = operation_claim(worker=name)
    assert operation is not None
    operation_run(operation)
    return Operation.objects.get()


def lapse() -> None:
    Operation.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))


def test_steps_say_how_far_it_is(cast, bench):
    seen = []
    bench.between = lambda run: seen.append(Operation.objects.values("progress", "phase").get())
    queue(cast)
    operation = work()
    assert seen == [{"progress": 10, "phase": "Doing the first"}]
    assert (operation.state, operation.progress, operation.phase) == ("succeeded", 100, "")
    assert operation.result == {"made": 2}
    assert bench.log == ["first", "second"]


def test_a_step_prolongs_the_lease(cast, bench):
    def look(run):
        assert Operation.objects.get().lease_until > timezone.now()

    queue(cast)
    operation = operation_claim(worker="w")
    lapse()
    bench.between = look
    operation_run(operation)
    assert Operation.objects.get().state == OperationState.SUCCEEDED


def test_progress_within_a_step_is_written_once_a_second(cast, bench, monkeypatch):
    def many(progressing):
        for percent in range(10, 60):
            progressing.progress(percent)

    told = []
    tell = OperationRun._tell
    monkeypatch.setattr(OperationRun, "_tell", lambda self, **fields: (told.append(fields), tell(self, **fields)))
    bench.between = many
    queue(cast)
    work()
    assert [fields["progress"] for fields in told] == [10, 60]
    monkeypatch.setattr(run, "PROGRESS_EVERY_SECONDS", 0)
    queue(cast)
    operation_run(operation_claim(worker="w"))
    assert len(told) == 2 + 52


def test_a_failure_is_taken_back_before_it_is_over(cast, bench):
    def refuse(run):
        raise NotAllowed("No more of this.")

    bench.between = refuse
    queue(cast)
    operation = work()
    assert bench.log == ["first", "undone"]
    assert (operation.state, operation.error["code"]) == ("failed", "not_allowed")
    assert AuditEvent.objects.get(action="test.steps").detail["error"] == "not_allowed"


def test_an_undo_that_meets_a_host_away_is_tried_until_it_is_done(cast, bench):
    def refuse(run):
        raise NotAllowed("No more of this.")

    bench.between = refuse
    bench.undo_errors = [Unavailable("The host is away.") for _ in range(claims.MAX_UNDO_ATTEMPTS + 3)]
    queue(cast)
    operation = work()
    tries = 1
    while bench.undo_errors:
        assert operation.is_active
        assert operation.is_undoing
        assert operation.lease_until > timezone.now()
        assert operation_claim(worker="early") is None
        lapse()
        operation = work()
        tries += 1
    lapse()
    operation = work()
    assert bench.log == ["first", "undone"]
    assert operation.state == OperationState.FAILED
    assert operation.error["code"] == "not_allowed"
    assert tries > claims.MAX_UNDO_ATTEMPTS


def test_an_undo_with_a_fault_of_its_own_ends_at_last(cast, bench):
    def refuse(run):
        raise NotAllowed("No more of this.")

    bench.between = refuse
    bench.undo_errors = [RuntimeError("a bug")] * 50
    queue(cast)
    operation = work()
    for _ in range(claims.MAX_UNDO_ATTEMPTS):
        if not operation.is_active:
            break
        lapse()
        operation = work()
    assert operation.state == OperationState.FAILED


def test_a_worker_killed_while_undoing_is_followed_by_another(cast, bench):
    queue(cast)
    operation = operation_claim(worker="killed")
    assert claims.operation_begin_undo(operation=operation, problem=claims.cancelled())
    lapse()
    assert work("next").state == OperationState.CANCELLED
    assert bench.log == ["undone"]


def test_what_kills_its_workers_is_taken_back(cast, bench):
    queue(cast)
    for _ in range(claims.MAX_ATTEMPTS):
        operation_claim(worker="killed")
        lapse()
    operation = work("next")
    assert (operation.state, operation.error["code"]) == ("failed", "operation_interrupted")
    assert bench.log == ["undone"]


def test_what_waited_too_long_is_taken_back(cast, bench):
    queue(cast)
    Operation.objects.update(created_at=timezone.now() - dt.timedelta(seconds=claims.QUEUE_SECONDS + 1))
    assert work().error["code"] == "operation_expired"
    assert bench.log == ["undone"]


def test_a_worker_that_lost_it_keeps_its_hands_off(cast, bench):
    def lose(run):
        lapse()
        assert operation_claim(worker="next") is not None

    bench.between = lose
    queue(cast)
    operation_run(operation_claim(worker="slow"))
    assert bench.log == ["first"]
    assert Operation.objects.get().worker == "next"
    with pytest.raises(OperationLost):
        OperationRun(Operation(pk=Operation.objects.get().pk, worker="slow", attempts=1)).step("x", "X", percent=1)


def test_what_waits_is_cancelled_at_once(cast, bench):
    operation = operation_cancel(operation=queue(cast, "test.plain"), user=cast.operator)
    assert operation.state == OperationState.CANCELLED
    assert operation_claim(worker="w") is None
    assert bench.log == []
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"operation.cancel", "test.plain"}


def test_what_waits_and_has_an_undo_is_taken_back(cast, bench):
    assert operation_cancel(operation=queue(cast), user=cast.owner).state == OperationState.CANCELLING
    Operation.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    assert work().state == OperationState.CANCELLED
    assert bench.log == ["undone"]


def test_what_runs_is_cancelled_at_the_border_of_a_step(cast, bench):
    bench.between = lambda run: operation_cancel(operation=Operation.objects.get(), user=cast.owner)
    queue(cast)
    operation = work()
    assert (operation.state, operation.error["code"]) == ("cancelled", "operation_cancelled")
    assert bench.log == ["first", "undone"]


def test_cancelling_twice_changes_nothing(cast, bench):
    queue(cast)
    operation_claim(worker="w")
    for _ in range(2):
        assert operation_cancel(operation=Operation.objects.get(), user=cast.owner).state == "cancelling"
    assert AuditEvent.objects.filter(action="operation.cancel").count() == 1


def test_what_is_past_its_last_step_succeeds_though_it_was_cancelled(cast, bench):
    def cancel_late(run):
        if run.operation.progress == 60:
            operation_cancel(operation=Operation.objects.get(), user=cast.owner)

    def handle(run):
        run.step("only", "Doing it", percent=60)
        cancel_late(run)

    handlers.register("test.late", can_cancel=True)(handle)
    queue(cast, "test.late")
    assert work().state == OperationState.SUCCEEDED


def test_what_is_over_or_cannot_stop_is_not_cancelled(cast, bench):
    queue(cast, "test.do")
    with pytest.raises(CannotCancel):
        operation_cancel(operation=Operation.objects.get(), user=cast.owner)
    with pytest.raises(CannotCancel):
        operation_cancel(operation=work(), user=cast.owner)


def test_while_it_is_cancelled_the_target_is_not_free(cast, bench):
    queue(cast)
    operation_claim(worker="w")
    operation_cancel(operation=Operation.objects.get(), user=cast.owner)
    with pytest.raises(Exception, match="under way"):
        queue(cast, "test.do")


MAY = {"owner", "operator", "staff_here", "staff_everywhere", "superuser"}


@pytest.mark.parametrize("part", ["owner", "operator", "viewer", "outsider", "staff_here", "staff_there", "superuser"])
def test_who_may_cancel(cast, bench, part):
    operation = queue(cast, "test.plain")
    answer = cast.api(getattr(cast, part)).post(f"/api/v1/operations/{operation.pk}/cancel")
    operation.refresh_from_db()
    if part in MAY:
        assert (answer.status_code, operation.state) == (202, "cancelled")
        assert answer.json()["state"] == "cancelled"
    else:
        assert answer.status_code == (403 if part == "viewer" else 404)
        assert operation.state == "queued"


def test_the_page_cancels_and_goes_back(cast, bench, client):
    operation = queue(cast, "test.plain")
    client.force_login(cast.owner)
    answer = client.post(f"/operations/{operation.pk}/cancel/", {"next": f"/vms/{cast.acme_vm.pk}/"})
    assert (answer.status_code, answer["Location"]) == (302, f"/vms/{cast.acme_vm.pk}/")
    assert Operation.objects.get().state == OperationState.CANCELLED
    assert client.post(f"/operations/{operation.pk}/cancel/", {"next": "https://evil.example/"})["Location"] == "/"


def test_the_bar_shows_the_step_and_offers_to_cancel(cast, bench, client):
    queue(cast)
    operation = operation_claim(worker="w")
    OperationRun(operation).step("first", "Doing the first", percent=10)
    for part, offers in (("owner", True), ("viewer", False)):
        client.force_login(getattr(cast, part))
        page = client.get(f"/vms/{cast.acme_vm.pk}/").content.decode()
        assert "Doing the first · 10 %" in page
        assert (f"/operations/{operation.pk}/cancel/" in page) is offers
