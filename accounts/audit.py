"""Writes down who did what. Never a secret: names, ids and reasons only."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model

from common.context import current_context
from common.sentences import is_shown

from .models import AuditEvent, AuditOutcome, Project, User
from .places import site_of
from .signals import event_recorded


def audit_record(
    *,
    action: str,
    actor: User | None = None,
    actor_label: str = "",
    target: Model | None = None,
    target_type: str = "",
    target_id: str = "",
    target_label: str = "",
    project: Project | None = None,
    site_uuid: UUID | None = None,
    outcome: str = AuditOutcome.SUCCESS,
    detail: dict[str, Any] | None = None,
) -> AuditEvent:
    """One audit event, with the address and id of the current request. `target` gives what its three texts and its site leave empty.

    What is told of a target that is gone lies where it was told of last.
    What was denied within a transaction, which is about to be rolled back, is written down after the request.
    """
    context = current_context()
    if target is not None:
        target_type = target_type or str(target._meta.model_name)
        target_id = target_id or str(target.pk)
        target_label = target_label or str(target)
        site_uuid = site_uuid or site_of(target)
    elif target_id and site_uuid is None:
        site_uuid = _last_site(target_type, target_id)
    event = AuditEvent(
        action=action,
        actor=actor,
        actor_label=_clean(actor_label or (actor.email if actor else ""), 254),
        target_type=target_type[:30],
        target_id=target_id[:36],
        target_label=_clean(target_label, 254),
        project=project,
        site_uuid=site_uuid,
        address=context.address,
        request_id=context.request_id,
        outcome=outcome,
        detail=detail or {},
    )
    if (
        outcome == AuditOutcome.DENIED
        and context.afterwards is not None
        and transaction.get_connection().in_atomic_block
    ):
        context.afterwards.append(partial(_write, event))
    else:
        _write(event)
    return event


def _write(event: AuditEvent) -> None:
    event.save()
    transaction.on_commit(partial(event_recorded.send_robust, AuditEvent, event=event))


def _last_site(target_type: str, target_id: str) -> UUID | None:
    told = AuditEvent.objects.filter(target_type=target_type, target_id=target_id, site_uuid__isnull=False)
    return told.order_by("-at").values_list("site_uuid", flat=True).first()


def _clean(text: str, most: int) -> str:
    """What somebody typed, or a host reported, as the audit keeps it: printable and bounded."""
    return "".join(character if is_shown(character) else "\N{REPLACEMENT CHARACTER}" for character in text[:most])
