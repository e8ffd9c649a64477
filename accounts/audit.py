"""Writes down who did what. Never a secret: names, ids and reasons only."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Model

from common.context import current_context
from common.sentences import is_shown

from .models import AuditEvent, AuditOutcome, Project, User


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
    outcome: str = AuditOutcome.SUCCESS,
    detail: dict[str, Any] | None = None,
) -> AuditEvent:
    """One audit event, with the address and id of the current request. `target` gives what its three texts leave empty.

    What was denied within a transaction, which is about to be rolled back, is written down after the request.
    """
    context = current_context()
    if target is not None:
        target_type = target_type or str(target._meta.model_name)
        target_id = target_id or str(target.pk)
        target_label = target_label or str(target)
    event = AuditEvent(
        action=action,
        actor=actor,
        actor_label=_clean(actor_label or (actor.email if actor else ""), 254),
        target_type=target_type[:30],
        target_id=target_id[:36],
        target_label=_clean(target_label, 254),
        project=project,
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
        context.afterwards.append(event.save)
    else:
        event.save()
    return event


def _clean(text: str, most: int) -> str:
    """What somebody typed, or a host reported, as the audit keeps it: printable and bounded."""
    return "".join(character if is_shown(character) else "\N{REPLACEMENT CHARACTER}" for character in text[:most])
