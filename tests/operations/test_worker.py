"""The worker: what handlers raise, several at a time, stopping, a database that is away."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time

import pytest
from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from accounts.models import AuditEvent
from common.context import current_context
from common.errors import NotAllowed
from operations import handlers, worker
from operations.claims import operation_claim
from operations.handlers import Lane
from operations.models import Operation, OperationState
from operations.services import operation_create
from operations.worker import Worker, operation_run


def queue(cast, kind="test.do", vm=None):
    vm = vm or cast.acme_vm
    return operation_create(kind=kind, target=vm, project=cast.acme, user=cast.owner)


def run_next():
    operation_run(operation_claim(worker="w"))
    return Operation.objects.get()


def test_a_handler_that_returns_succeeds(cast, kinds):
    queue(cast)
    operation = run_next()
    assert operation.state == OperationState.SUCCEEDED
    assert operation.finished_at >= operation.started_at
    assert [each.pk for each in kinds] == [operation.pk]


def test_an_error_of_eves_becomes_its_problem(cast, kinds):
    def refuse(run):
        raise NotAllowed("Because of the tests.", limit=3)

    handlers.register("test.refuse")(refuse)
    queue(cast, "test.refuse")
    operation = run_next()
    assert operation.state == OperationState.FAILED
    assert operation.error["code"] == "not_allowed"
    assert operation.error["detail"] == "Because of the tests."
    assert operation.error["limit"] == 3


def test_a_fault_is_logged_and_not_shown(cast, kinds, caplog):
    def fail(run):
        raise RuntimeError("the canary sang")

    handlers.register("test.fail")(fail)
    queue(cast, "test.fail")
    operation = run_next()
    assert operation.state == OperationState.FAILED
    assert operation.error["code"] == "internal"
    assert "canary" not in str(operation.error)
    assert "the canary sang" in caplog.text


def test_a_kind_that_nobody_does_any_more_fails(cast, kinds):
    queue(cast)
    Operation.objects.update(kind="test.nobody")
    assert run_next().error["code"] == "operation_unknown"


def test_a_handler_runs_in_the_requesters_context(cast, kinds):
    seen = []
    handlers.register("test.look")(lambda run: seen.append(current_context()))
    operation = queue(cast, "test.look")
    Operation.objects.update(address="192.0.2.4", request_id="req-9")
    operation_run(operation_claim(worker="w"))
    assert (seen[0].address, seen[0].request_id) == ("192.0.2.4", "req-9")
    assert operation


def test_a_kind_has_one_handler(kinds):
    with pytest.raises(ValueError, match="has a handler"):
        handlers.register("test.do")(lambda run: None)


def failing_at_first(monkeypatch, name, error, *, times):
    """Has the worker's service `name` raise `error` that often, then do its work; grows by one with each failure."""
    real, failures = getattr(worker, name), []

    def service(**arguments):
        if len(failures) < times:
            failures.append(1)
            raise error
        return real(**arguments)

    monkeypatch.setattr(worker, name, service)
    return failures


async def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not await database_sync_to_async(condition)():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.02)


@pytest.fixture
def many(cast, transactional_db):
    """Three VMs of Acme's."""
    from tests.factories import make_vm

    return [make_vm(cast.acme, cast.hypervisor_here) for _ in range(3)]


@pytest.fixture
async def working():
    """A worker that runs beside the test."""
    stop = asyncio.Event()
    task = asyncio.create_task(Worker(slots={Lane.QUICK: 2, Lane.MAKING: 1, Lane.COPYING: 1}).run(stop))
    await asyncio.sleep(0.05)
    yield
    stop.set()
    await asyncio.wait_for(task, 10)


@pytest.mark.django_db(transaction=True)
async def test_it_begins_at_once_when_something_is_queued(cast, kinds, working):
    started = time.monotonic()
    await database_sync_to_async(queue)(cast)
    await until(lambda: Operation.objects.get().state == OperationState.SUCCEEDED)
    assert time.monotonic() - started < worker.POLL_SECONDS * 0.8


@pytest.mark.django_db(transaction=True)
async def test_a_slow_one_does_not_hold_up_the_others_and_slots_are_kept(cast, kinds, many, working):
    release, begun = threading.Event(), []

    def wait(run):
        begun.append(run.operation.pk)
        release.wait(10)

    handlers.register("test.wait")(wait)
    for vm in many:
        await database_sync_to_async(queue)(cast, "test.wait", vm)
    await until(lambda: len(begun) == 2)
    await asyncio.sleep(0.3)
    assert len(begun) == 2
    release.set()
    await until(lambda: Operation.objects.filter(state=OperationState.SUCCEEDED).count() == 3)


@pytest.mark.django_db(transaction=True)
async def test_it_keeps_the_lease_of_what_it_does(cast, kinds, working, monkeypatch):
    monkeypatch.setattr(worker, "BEAT_SECONDS", 0.1)
    release = threading.Event()
    handlers.register("test.wait")(lambda run: release.wait(10))
    await database_sync_to_async(queue)(cast, "test.wait")
    await until(lambda: Operation.objects.get().state == OperationState.RUNNING)
    first = (await database_sync_to_async(Operation.objects.get)()).lease_until
    await until(lambda: Operation.objects.get().lease_until > first)
    release.set()


@pytest.mark.django_db(transaction=True)
async def test_it_outlives_a_database_that_is_away(cast, kinds, working, monkeypatch):
    failures = failing_at_first(monkeypatch, "operation_claim", OperationalError("the database is away"), times=2)
    await database_sync_to_async(queue)(cast)
    await until(lambda: Operation.objects.get().state == OperationState.SUCCEEDED)
    assert len(failures) == 2


@pytest.mark.django_db(transaction=True)
async def test_it_does_not_interrupt_itself_where_a_lease_ran_out(cast, kinds, working):
    """The database was away, or the machine slept, for longer than a lease."""
    release = threading.Event()
    handlers.register("test.wait")(lambda run: release.wait(10))
    await database_sync_to_async(queue)(cast, "test.wait")
    await until(lambda: Operation.objects.get().state == OperationState.RUNNING)
    await Operation.objects.aupdate(lease_until=timezone.now() - dt.timedelta(minutes=5))
    await asyncio.sleep(worker.POLL_SECONDS * 1.5)
    assert (await Operation.objects.aget()).state == OperationState.RUNNING
    release.set()
    await until(lambda: Operation.objects.get().state == OperationState.SUCCEEDED)
    assert await AuditEvent.objects.filter(action="test.wait").acount() == 1


@pytest.mark.django_db(transaction=True)
async def test_after_the_database_was_away_others_get_time_to_prolong_their_leases(cast, kinds, working, monkeypatch):
    monkeypatch.setattr(worker, "BEAT_SECONDS", 3 * worker.POLL_SECONDS)
    failures = failing_at_first(monkeypatch, "operation_claim", OperationalError("the database is away"), times=1)

    def leave_behind():
        with transaction.atomic():
            queue(cast, "test.once")
            late = timezone.now() - dt.timedelta(minutes=5)
            Operation.objects.update(state=OperationState.RUNNING, worker="another", lease_until=late)

    await until(lambda: failures)
    await database_sync_to_async(leave_behind)()
    await asyncio.sleep(worker.POLL_SECONDS * 1.5)
    assert (await Operation.objects.aget()).state == OperationState.RUNNING
    await until(lambda: Operation.objects.get().state == OperationState.FAILED)


@pytest.mark.django_db(transaction=True)
async def test_an_outcome_that_is_known_waits_for_the_database(cast, kinds, working, monkeypatch):
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.05)
    failures = failing_at_first(monkeypatch, "operation_end", InterfaceError("the connection is closed"), times=2)
    await database_sync_to_async(queue)(cast, "test.once")
    await until(lambda: Operation.objects.get().state == OperationState.SUCCEEDED)
    assert len(failures) == 2
    assert await AuditEvent.objects.filter(action="test.once").acount() == 1


@pytest.mark.django_db(transaction=True)
async def test_a_fault_of_its_own_does_not_end_it(cast, kinds, working, monkeypatch):
    failures = failing_at_first(monkeypatch, "operation_claim", RuntimeError("a bug"), times=1)
    await database_sync_to_async(queue)(cast)
    await until(lambda: Operation.objects.get().state == OperationState.SUCCEEDED)
    assert failures


@pytest.mark.django_db(transaction=True)
async def test_it_sweeps_what_ended_long_ago(cast, kinds, monkeypatch):
    long_ago = timezone.now() - dt.timedelta(days=400)
    operation = await database_sync_to_async(queue)(cast)
    await Operation.objects.aupdate(state=OperationState.SUCCEEDED, created_at=long_ago, finished_at=long_ago)
    stop = asyncio.Event()
    task = asyncio.create_task(Worker().run(stop))
    await until(lambda: not Operation.objects.filter(pk=operation.pk).exists())
    stop.set()
    await asyncio.wait_for(task, 5)


@pytest.mark.django_db(transaction=True)
async def test_told_to_stop_it_waits_for_what_it_has_begun(cast, kinds):
    stop, begun = asyncio.Event(), threading.Event()

    def slow(run):
        begun.set()
        time.sleep(0.5)

    handlers.register("test.slow")(slow)
    task = asyncio.create_task(Worker().run(stop))
    await database_sync_to_async(queue)(cast, "test.slow")
    await asyncio.to_thread(begun.wait, 5)
    stop.set()
    await asyncio.wait_for(task, 5)
    assert (await database_sync_to_async(Operation.objects.get)()).state == OperationState.SUCCEEDED


@pytest.mark.django_db(transaction=True)
async def test_told_to_stop_it_does_not_wait_for_ever(cast, kinds, monkeypatch):
    monkeypatch.setattr(worker, "STOP_SECONDS", 0.2)
    stop, begun, release = asyncio.Event(), threading.Event(), threading.Event()

    def stuck(run):
        begun.set()
        release.wait(10)

    handlers.register("test.stuck")(stuck)
    task = asyncio.create_task(Worker().run(stop))
    await database_sync_to_async(queue)(cast, "test.stuck")
    await asyncio.to_thread(begun.wait, 5)
    stop.set()
    await asyncio.wait_for(task, 2)
    assert (await database_sync_to_async(Operation.objects.get)()).state == OperationState.RUNNING
    release.set()
    await until(lambda: Operation.objects.get().state == OperationState.SUCCEEDED)
