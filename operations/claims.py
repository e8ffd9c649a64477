"""Operations in workers' hands: claimed, kept, taken back, ended.

Every step is one conditional UPDATE, so that of any number of workers exactly one wins, on SQLite as on PostgreSQL.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.models import AuditOutcome, Project
from accounts.services import audit_record
from common.errors import EveError
from common.problems import from_error
from common.sentences import gettext as _

from . import handlers
from .errors import OperationCancelled, OperationExpired, OperationInterrupted, UnknownKind
from .handlers import Lane
from .models import CLAIMED_STATES, Operation, OperationState
from .run import lease_end
from .selectors import projects_with_enough
from .signals import operation_changed, operation_ended

log = structlog.get_logger(__name__)

QUEUE_SECONDS = 300
"""After that long in the queue it is not begun any more: a late stop would surprise."""
LONG_QUEUE_SECONDS = 24 * 3600
"""The same for what is not quick: it waits for its turn, and comes late anyway."""
MAX_ATTEMPTS = 3
"""An operation whose workers are killed that often may be what kills them."""
MAX_UNDO_ATTEMPTS = 12
"""So often what does not pass by itself may go wrong with taking an operation back."""
LONGEST_PAUSE_SECONDS = 300
"""Between two tries to take an operation back."""
_CANDIDATES = 20


def operation_claim(
    *, worker: str, lanes: Collection[Lane] = tuple(Lane), takes_over: bool = True, but: Collection[UUID] = ()
) -> Operation | None:
    """The oldest operation that waits, or that a killed worker left behind; it is `worker`'s now. None where there is none.

    What is not quick waits while its project has :data:`settings.LONG_OPERATIONS_PER_PROJECT` in the same lane under way.

    On the way it ends what waited too long, and what was interrupted and must not be done twice; what can be taken back
    is claimed for that.

    Args:
        lanes: in which it has slots left. What is being taken back is quick, whatever it was.
        takes_over: whether to look for what killed workers left behind.
        but: what the worker is still at, however late its lease.
    """
    for operation in _waiting(lanes).order_by("created_at", "id")[:_CANDIDATES]:
        if _begin(operation, worker):
            return operation
    if not takes_over:
        return None
    late = Operation.objects.filter(state__in=CLAIMED_STATES, lease_until__lt=timezone.now()).filter(_is_in(lanes))
    for operation in late.exclude(pk__in=but).order_by("lease_until", "id")[:_CANDIDATES]:
        if _take_or_end(operation, worker, problem=None if _may_begin_again(operation) else _interrupted()):
            log.warning("operation taken over", operation=str(operation.pk), kind=operation.kind)
            return operation
    return None


def operation_heartbeat(*, worker: str, operations: Collection[UUID]) -> None:
    """Prolongs the lease of what `worker` still works on."""
    if operations:
        Operation.objects.filter(pk__in=operations, worker=worker, state__in=CLAIMED_STATES).update(
            lease_until=lease_end()
        )


def operation_begin_undo(*, operation: Operation, problem: Mapping[str, Any]) -> bool:
    """From now on it is being taken back, because of `problem`. False where it is no longer that worker's."""
    begun = Operation.objects.filter(
        pk=operation.pk, state__in=CLAIMED_STATES, worker=operation.worker, attempts=operation.attempts
    ).update(is_undoing=True, error=dict(problem), lease_until=lease_end())
    if begun:
        operation.refresh_from_db()
    return bool(begun)


def operation_postpone_undo(*, operation: Operation, error: Exception) -> bool:
    """Taking it back failed: it is tried again later, each time after a longer pause.

    False, and nothing is changed, where that will not help: the error does not pass by itself, and it was tried often enough.
    """
    passes = isinstance(error, EveError) and error.retryable
    if not passes and operation.attempts >= MAX_UNDO_ATTEMPTS:
        return False
    pause = dt.timedelta(seconds=min(LONGEST_PAUSE_SECONDS, 2 ** min(operation.attempts, 10)))
    phase = _("Waiting to try again")
    Operation.objects.filter(pk=operation.pk, worker=operation.worker, attempts=operation.attempts).update(
        worker="", lease_until=timezone.now() + pause, phase=phase
    )
    return True


def operation_end(*, operation: Operation, problem: Mapping[str, Any] | None = None, result: Any = None) -> bool:
    """Ends it as its worker found: well, with its `result`, or with the `problem` (RFC 9457).

    False, and nothing is changed, where it is no longer that worker's.
    """
    return end_if(
        operation,
        problem,
        result=result,
        state__in=CLAIMED_STATES,
        worker=operation.worker,
        attempts=operation.attempts,
    )


def end_if(operation: Operation, problem: Mapping[str, Any] | None, *, result: Any = None, **expected: Any) -> bool:
    """Ends it where it is still as `expected` (lookups), with its audit event."""
    well = {"progress": 100, "phase": "", "result": result} if problem is None else {}
    with transaction.atomic():
        ended = Operation.objects.filter(pk=operation.pk, **expected).update(
            state=_end_state(problem),
            error=dict(problem) if problem else None,
            finished_at=timezone.now(),
            lease_until=None,
            **well,
        )
        if ended != 1:
            return False
        operation.refresh_from_db()
        audit_record(
            action=operation.kind,
            actor=operation.requested_by,
            target_type=operation.target_type,
            target_id=str(operation.target_id),
            target_label=operation.target_label,
            project=operation.project,
            site_uuid=operation.site_uuid,
            outcome=_outcome(problem),
            detail={"operation": str(operation.pk), **({"error": problem["code"]} if problem else {})},
        )
        operation_ended.send(sender=Operation, operation=operation)
        announce(operation)
    return True


def announce(operation: Operation) -> None:
    """Tells the apps above, once the transaction is committed."""
    transaction.on_commit(partial(operation_changed.send_robust, sender=Operation, operation=operation), robust=True)


def cancelled() -> dict[str, Any]:
    """The problem of an operation that somebody cancelled."""
    return from_error(OperationCancelled(_("It was cancelled before it was done.")))


def _waiting(lanes: Collection[Lane]) -> QuerySet[Operation]:
    """What waits in these lanes, but for that of projects that have enough of it under way."""
    waiting = Operation.objects.filter(_is_in(lanes), state=OperationState.QUEUED)
    for lane in lanes:
        if lane is not Lane.QUICK:
            waiting = waiting.exclude(kind__in=handlers.kinds_in(lane), project__in=projects_with_enough(lane))
    return waiting


def _is_in(lanes: Collection[Lane]) -> Q:
    """What is being taken back is quick, whatever it was."""
    wanted = Q(kind__in=[kind for lane in lanes for kind in handlers.kinds_in(lane)], is_undoing=False)
    slow = [kind for lane in Lane if lane is not Lane.QUICK for kind in handlers.kinds_in(lane)]
    return wanted | ~Q(kind__in=slow) | Q(is_undoing=True) if Lane.QUICK in lanes else wanted


def _begin(operation: Operation, worker: str) -> bool:
    """Whether `worker` has it now. Of a project's operations that are not quick one is begun at a time, so that all are counted."""
    lane = handlers.lane_of(operation.kind)
    seconds = QUEUE_SECONDS if lane is Lane.QUICK else LONG_QUEUE_SECONDS
    is_late = timezone.now() - operation.created_at > dt.timedelta(seconds=seconds)
    problem = _expired(seconds) if is_late else None
    if lane is Lane.QUICK or operation.project_id is None:
        return _take_or_end(operation, worker, problem=problem)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=operation.project_id)
        if not _waiting([lane]).filter(pk=operation.pk).exists():
            return False
        return _take_or_end(operation, worker, problem=problem)


def _take_or_end(operation: Operation, worker: str, *, problem: dict[str, Any] | None) -> bool:
    """Whether it is `worker`'s now: to be done, or, where there is a `problem`, to be taken back; else it is ended with that."""
    if problem is None or operation.is_undoing:
        return _take(operation, worker)
    if handlers.find_undo(operation.kind) is not None:
        return _take(operation, worker, is_undoing=True, error=problem)
    end_if(operation, problem, **_as_seen(operation))
    return False


def _take(operation: Operation, worker: str, **changes: Any) -> bool:
    now = timezone.now()
    is_cancelling = operation.state == OperationState.CANCELLING
    taken = Operation.objects.filter(pk=operation.pk, **_as_seen(operation)).update(
        state=OperationState.CANCELLING if is_cancelling else OperationState.RUNNING,
        worker=worker,
        lease_until=lease_end(),
        started_at=operation.started_at or now,
        attempts=F("attempts") + 1,
        **changes,
    )
    if taken != 1:
        return False
    operation.refresh_from_db()
    announce(operation)
    return True


def _as_seen(operation: Operation) -> dict[str, Any]:
    return {"state": operation.state, "worker": operation.worker, "lease_until": operation.lease_until}


def _may_begin_again(operation: Operation) -> bool:
    try:
        return handlers.find(operation.kind).is_idempotent and operation.attempts < MAX_ATTEMPTS
    except UnknownKind:
        return False


def _expired(seconds: int) -> dict[str, Any]:
    return from_error(
        OperationExpired(
            _("Eve did not come to it within %(minutes)d minutes, so it was not done. Nothing has changed; try again.")
            % {"minutes": seconds // 60}
        )
    )


def _interrupted() -> dict[str, Any]:
    return from_error(
        OperationInterrupted(
            _("The process of Eve that worked on it was ended. It may or may not have been done: look, then decide.")
        )
    )


def _end_state(problem: Mapping[str, Any] | None) -> OperationState:
    if problem is None:
        return OperationState.SUCCEEDED
    return OperationState.CANCELLED if problem["code"] == OperationCancelled.code else OperationState.FAILED


def _outcome(problem: Mapping[str, Any] | None) -> AuditOutcome:
    if problem is None:
        return AuditOutcome.SUCCESS
    return AuditOutcome.DENIED if problem["status"] == 403 else AuditOutcome.FAILURE
