"""Operations: queued, claimed, ended.

Every step is one conditional UPDATE, so that of any number of workers exactly one wins, on SQLite as on PostgreSQL.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditOutcome, Project, User
from accounts.services import audit_record
from common.context import current_context
from common.problems import from_error
from common.sweeping import rows_sweep

from . import handlers, wakeup
from .errors import OperationExpired, OperationInterrupted, OperationRunning, UnknownKind
from .models import ACTIVE_STATES, Operation, OperationState
from .signals import operation_changed

log = structlog.get_logger(__name__)

LEASE_SECONDS = 30
"""How long a worker that says nothing keeps an operation."""
QUEUE_SECONDS = 300
"""After that long in the queue it is not begun any more: a late stop would surprise."""
MAX_ATTEMPTS = 3
"""An operation whose workers are killed that often may be what kills them."""
_CANDIDATES = 20


def operation_create(
    *,
    kind: str,
    target: models.Model,
    project: Project | None,
    user: User | None,
    arguments: Mapping[str, Any] | None = None,
) -> Operation:
    """Queues an operation on `target`; the worker begins it once the transaction is committed.

    A target has one active operation at a time. Asked for the very same again (a second click, a retry), the one that
    is active is returned.

    Raises:
        OperationRunning: another change of the target is under way; its address is in the problem.
    """
    wanted = dict(arguments or {})
    context = current_context()
    operation = Operation(
        kind=kind,
        target_type=str(target._meta.model_name),
        target_id=target.pk,
        target_label=str(target)[:254],
        project=project,
        requested_by=user,
        arguments=wanted,
        address=context.address,
        request_id=context.request_id,
    )
    try:
        with transaction.atomic():
            operation.save(force_insert=True)
    except IntegrityError:
        active = Operation.objects.filter(
            target_type=operation.target_type, target_id=operation.target_id, state__in=ACTIVE_STATES
        ).first()
        if active is not None and (active.kind, active.arguments) == (kind, wanted):
            return active
        raise OperationRunning(
            _("Another change of %(name)s is under way. Wait until it has ended, then try again.")
            % {"name": operation.target_label},
            **({"operation": f"/api/v1/operations/{active.pk}"} if active else {}),
        ) from None
    transaction.on_commit(wakeup.wake)
    _announce(operation)
    return operation


def operation_claim(*, worker: str, takes_over: bool = True, but: Collection[UUID] = ()) -> Operation | None:
    """The oldest operation that waits, or that a killed worker left behind; it is `worker`'s now. None where there is none.

    On the way it ends what waited too long, and what was interrupted and must not be done twice.

    Args:
        takes_over: whether to look for what killed workers left behind.
        but: what the worker is still at, however late its lease.
    """
    for operation in Operation.objects.filter(state=OperationState.QUEUED).order_by("created_at", "id")[:_CANDIDATES]:
        if timezone.now() - operation.created_at > dt.timedelta(seconds=QUEUE_SECONDS):
            _expire(operation)
        elif _take(operation, worker):
            return operation
    if not takes_over:
        return None
    late = Operation.objects.filter(state=OperationState.RUNNING, lease_until__lt=timezone.now())
    for operation in late.exclude(pk__in=but).order_by("lease_until", "id")[:_CANDIDATES]:
        if not _may_begin_again(operation):
            _interrupt(operation)
        elif _take(operation, worker):
            log.warning("operation taken over", operation=str(operation.pk), kind=operation.kind)
            return operation
    return None


def operation_heartbeat(*, worker: str, operations: Collection[UUID]) -> None:
    """Prolongs the lease of what `worker` still works on."""
    if operations:
        Operation.objects.filter(pk__in=operations, worker=worker, state=OperationState.RUNNING).update(
            lease_until=_lease_end()
        )


def operation_end(*, operation: Operation, problem: Mapping[str, Any] | None = None) -> bool:
    """Ends it as its worker found: well, or with the `problem` (RFC 9457).

    False, and nothing is changed, where it is no longer that worker's.
    """
    return _end(operation, problem, state=OperationState.RUNNING, worker=operation.worker)


def operations_sweep() -> int:
    """Deletes some of those that ended longer than :data:`settings.OPERATION_DAYS` ago; the audit keeps what was done.

    Returns how many: 0 once none is left.
    """
    if not settings.OPERATION_DAYS:
        return 0
    before = timezone.now() - dt.timedelta(days=settings.OPERATION_DAYS)
    old = Operation.objects.exclude(state__in=ACTIVE_STATES).filter(created_at__lt=before, finished_at__lt=before)
    return rows_sweep(old.order_by("created_at"))


def _take(operation: Operation, worker: str) -> bool:
    now = timezone.now()
    taken = Operation.objects.filter(
        pk=operation.pk, state=operation.state, worker=operation.worker, lease_until=operation.lease_until
    ).update(
        state=OperationState.RUNNING,
        worker=worker,
        lease_until=_lease_end(),
        started_at=operation.started_at or now,
        attempts=F("attempts") + 1,
    )
    if taken != 1:
        return False
    operation.refresh_from_db()
    _announce(operation)
    return True


def _may_begin_again(operation: Operation) -> bool:
    try:
        return handlers.find(operation.kind).is_idempotent and operation.attempts < MAX_ATTEMPTS
    except UnknownKind:
        return False


def _expire(operation: Operation) -> None:
    error = OperationExpired(
        _("Eve did not come to it within %(minutes)d minutes, so it was not done. Nothing has changed; try again.")
        % {"minutes": QUEUE_SECONDS // 60}
    )
    _end(operation, from_error(error), state=OperationState.QUEUED)


def _interrupt(operation: Operation) -> None:
    error = OperationInterrupted(
        _("The process of Eve that worked on it was ended. It may or may not have been done: look, then decide.")
    )
    _end(
        operation,
        from_error(error),
        state=OperationState.RUNNING,
        worker=operation.worker,
        lease_until=operation.lease_until,
    )


def _end(operation: Operation, problem: Mapping[str, Any] | None, **expected: Any) -> bool:
    with transaction.atomic():
        ended = Operation.objects.filter(pk=operation.pk, **expected).update(
            state=OperationState.FAILED if problem else OperationState.SUCCEEDED,
            error=dict(problem) if problem else None,
            finished_at=timezone.now(),
            lease_until=None,
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
            outcome=_outcome(problem),
            detail={"operation": str(operation.pk), **({"error": problem["code"]} if problem else {})},
        )
        _announce(operation)
    return True


def _outcome(problem: Mapping[str, Any] | None) -> AuditOutcome:
    if problem is None:
        return AuditOutcome.SUCCESS
    return AuditOutcome.DENIED if problem["status"] == 403 else AuditOutcome.FAILURE


def _announce(operation: Operation) -> None:
    transaction.on_commit(partial(operation_changed.send_robust, sender=Operation, operation=operation))


def _lease_end() -> dt.datetime:
    return timezone.now() + dt.timedelta(seconds=LEASE_SECONDS)
