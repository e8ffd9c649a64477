"""Operations: asked for, cancelled, swept away. What workers do with them is in :mod:`operations.claims`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from accounts.models import AuditOutcome, Project, User
from accounts.places import site_of
from accounts.services import audit_record
from common.context import current_context
from common.errors import NotAllowed
from common.sentences import gettext_lazy as _
from common.sweeping import rows_sweep

from . import handlers, wakeup
from .claims import announce, cancelled, end_if
from .errors import CannotCancel, OperationRunning
from .handlers import Lane
from .models import ACTIVE_STATES, IdempotencyKey, Operation, OperationState
from .selectors import may_cancel, projects_with_enough

IDEMPOTENCY_HOURS = 24
"""So long a key stands for the request that it came with first."""


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
        UnknownKind: nobody does operations of that kind.
    """
    task = handlers.find(kind)
    wanted = dict(arguments or {})
    context = current_context()
    operation = Operation(
        kind=kind,
        target_type=str(target._meta.model_name),
        target_id=target.pk,
        target_label=str(target)[:254],
        project=project,
        site_uuid=site_of(target),
        requested_by=user,
        arguments=wanted,
        can_cancel=task.can_cancel,
        phase=_turn_words(task.lane, project),
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
            **({"operation": active.api_path} if active else {}),
        ) from None
    transaction.on_commit(partial(task.enqueue, operation=str(operation.pk)))
    announce(operation)
    return operation


def operation_cancel(*, operation: Operation, user: User) -> Operation:
    """Asks for its end: at once where it waits, else at the border of its next step. A second time changes nothing.

    What was begun is taken back; until then it is being cancelled.

    Raises:
        NotAllowed: the user may only look.
        CannotCancel: it is over, or of a kind that cannot stop half-way.
    """
    if not may_cancel(user, operation):
        audit_record(
            action="operation.cancel",
            actor=user,
            target=operation,
            project=operation.project,
            site_uuid=operation.site_uuid,
            outcome=AuditOutcome.DENIED,
        )
        raise NotAllowed(
            _("You may look at this, but not cancel it. Ask an owner of the project for the operator's role.")
        )
    with transaction.atomic():
        operation = Operation.objects.select_for_update().get(pk=operation.pk)
        if operation.state == OperationState.CANCELLING:
            return operation
        if not operation.is_cancellable:
            raise CannotCancel(_("It is over already, or too far to stop. Look at how it ended."))
        audit_record(
            action="operation.cancel",
            actor=user,
            target=operation,
            project=operation.project,
            site_uuid=operation.site_uuid,
            detail={"kind": operation.kind},
        )
        _cancel(operation)
    transaction.on_commit(wakeup.wake)
    return operation


def operations_sweep() -> int:
    """Deletes some of those that ended longer than :data:`settings.OPERATION_DAYS` ago; the audit keeps what was done.

    Returns how many: 0 once none is left.
    """
    rows_sweep(
        IdempotencyKey.objects.filter(created_at__lt=timezone.now() - dt.timedelta(hours=IDEMPOTENCY_HOURS)).order_by(
            "pk"
        )
    )
    if not settings.OPERATION_DAYS:
        return 0
    before = timezone.now() - dt.timedelta(days=settings.OPERATION_DAYS)
    old = Operation.objects.exclude(state__in=ACTIVE_STATES).filter(created_at__lt=before, finished_at__lt=before)
    return rows_sweep(old.order_by("created_at"))


def _turn_words(lane: Lane, project: Project | None) -> str:
    """What is said of one that has to wait for others of its project; nothing, where it has not."""
    if lane is Lane.QUICK or project is None:
        return ""
    if not projects_with_enough(lane, states=ACTIVE_STATES).filter(project=project).exists():
        return ""
    return _("Waiting for its turn: %(most)d of the project's may be under way at once") % {
        "most": settings.LONG_OPERATIONS_PER_PROJECT
    }


def _cancel(operation: Operation) -> None:
    """Of a locked row."""
    if operation.state == OperationState.QUEUED:
        if handlers.find_undo(operation.kind) is None:
            end_if(operation, cancelled(), state=OperationState.QUEUED)
            return
        operation.is_undoing, operation.error, operation.lease_until = True, cancelled(), timezone.now()
    operation.state = OperationState.CANCELLING
    operation.save(update_fields=["state", "is_undoing", "error", "lease_until"])
    announce(operation)
