"""What takes long does not hold up what is quick, and no project holds up the others."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from accounts.models import Project
from operations import handlers
from operations.claims import LONG_QUEUE_SECONDS, operation_claim, operation_end
from operations.handlers import Lane
from operations.models import Operation, OperationState
from operations.services import operation_cancel, operation_create
from operations.worker import SLOTS, Worker
from tests.cast import Cast
from tests.factories import make_vm
from tests.together import at_once

from .test_worker import until


@pytest.fixture
def lanes(kinds: list[Operation]) -> None:
    """``test.copy`` and ``test.make`` are not quick; ``test.copy`` can be taken back."""
    handlers.register("test.copy", undo=lambda run: None, can_cancel=True, lane=Lane.COPYING)(kinds.append)  # type: ignore[arg-type]
    handlers.register("test.make", lane=Lane.MAKING)(kinds.append)  # type: ignore[arg-type]


def queue(cast: Cast, number: int = 1, kind: str = "test.copy", project: Project | None = None) -> list[Operation]:
    """So many, each of a machine of its own."""
    vms = [make_vm(cast.acme, cast.hypervisor_here) for _ in range(number)]
    return [operation_create(kind=kind, target=vm, project=project or cast.acme, user=cast.owner) for vm in vms]


def claimed(number: int = 1) -> list[Operation | None]:
    return [operation_claim(worker="w") for _ in range(number)]


def test_a_project_has_so_many_at_once_and_others_go_on(cast: Cast, lanes: None, settings) -> None:
    settings.LONG_OPERATIONS_PER_PROJECT = 2
    mine = queue(cast, 30)
    others = queue(cast, project=cast.ottos)
    assert claimed(5) == [*mine[:2], *others, None, None]
    operation_end(operation=Operation.objects.get(pk=mine[0].pk))
    assert claimed(2) == [mine[2], None]


def test_lanes_are_counted_apart_and_what_is_quick_is_not(cast: Cast, lanes: None, settings) -> None:
    settings.LONG_OPERATIONS_PER_PROJECT = 1
    copies, makings, quick = queue(cast, 2), queue(cast, 2, "test.make"), queue(cast, 2, "test.do")
    assert claimed(5) == [copies[0], makings[0], *quick, None]


def test_what_belongs_to_no_project_is_not_counted(cast: Cast, lanes: None, settings) -> None:
    settings.LONG_OPERATIONS_PER_PROJECT = 1
    queue(cast, 1)
    public = [
        operation_create(kind="test.copy", target=host, project=None, user=cast.superuser)
        for host in (cast.hypervisor_here, cast.hypervisor_there)
    ]
    assert claimed(3)[1:] == public


def test_who_waits_for_their_own_is_told(cast: Cast, lanes: None, settings) -> None:
    settings.LONG_OPERATIONS_PER_PROJECT = 2
    words = [operation.phase for operation in queue(cast, 3)]
    assert words == ["", "", "Waiting for its turn: 2 of the project's may be under way at once"]
    assert [operation.phase for operation in queue(cast, 3, "test.do")] == ["", "", ""]


def test_what_is_not_quick_waits_a_day(cast: Cast, lanes: None) -> None:
    (operation,) = queue(cast)
    for seconds, is_begun in ((LONG_QUEUE_SECONDS + 1, False), (LONG_QUEUE_SECONDS - 60, True)):
        created_at = timezone.now() - dt.timedelta(seconds=seconds)
        Operation.objects.filter(pk=operation.pk).update(
            created_at=created_at, state=OperationState.QUEUED, is_undoing=False, error=None
        )
        found = operation_claim(worker="w")
        assert found == operation
        assert found.is_undoing is not is_begun


def test_taking_back_needs_no_slot_of_what_takes_long(cast: Cast, lanes: None) -> None:
    first, second = queue(cast, 2)
    operation_cancel(operation=second, user=cast.owner)
    assert operation_claim(worker="w", lanes=[Lane.QUICK]) == second
    assert operation_claim(worker="w", lanes=[Lane.QUICK]) is None
    assert operation_claim(worker="w", lanes=[Lane.COPYING]) == first


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_at_once_no_more_begin(cast: Cast, lanes: None, settings) -> None:
    settings.LONG_OPERATIONS_PER_PROJECT = 2
    queue(cast, 12)
    begun: list[Operation] = []

    def claim() -> None:
        found = operation_claim(worker=threading.current_thread().name)
        if found is not None:
            begun.append(found)

    at_once(*[claim] * 8)
    assert len(begun) == Operation.objects.filter(state=OperationState.RUNNING).count() == 2


@pytest.mark.django_db(transaction=True)
async def test_images_on_their_way_do_not_hold_up_power(cast: Cast, kinds: list[Operation], settings) -> None:
    settings.LONG_OPERATIONS_PER_PROJECT = 1000
    release, begun = threading.Event(), list[str]()

    def wait(run) -> None:
        begun.append(run.operation.kind)
        release.wait(20)

    handlers.register("test.copy", lane=Lane.COPYING)(wait)
    stop = asyncio.Event()
    work = asyncio.create_task(Worker().run(stop))
    try:
        await database_sync_to_async(queue)(cast, 12)
        await until(lambda: len(begun) == SLOTS[Lane.COPYING])
        (quick,) = await database_sync_to_async(queue)(cast, 1, "test.do")
        await until(lambda: Operation.objects.get(pk=quick.pk).state == OperationState.SUCCEEDED)
        assert len(begun) == SLOTS[Lane.COPYING]
    finally:
        release.set()
        stop.set()
        await work


def test_what_takes_long_is_not_quick() -> None:
    copying = {"image.fetch", "image.check", "image.take", "vm.clone", "vm.template"}
    assert set(handlers.kinds_in(Lane.COPYING)) == copying
    assert {"vm.create", "vm.reinstall", "vm.snapshot"} <= set(handlers.kinds_in(Lane.MAKING))
    assert {"vm.stop", "vm.start", "vm.resize", "vm.delete"} <= set(handlers.kinds_in(Lane.QUICK))
