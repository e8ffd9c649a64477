"""What happened is written down, within the transaction of whatever did it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import Project, User
from hypervisors.models import Site
from notifications.models import Event, Kind
from operations.wakeup import wake


def event_record(
    *,
    kind: Kind,
    target_type: str,
    target_id: UUID,
    target_label: str,
    project: Project | None = None,
    site: Site | None = None,
    user: User | None = None,
    is_over: bool = False,
    detail: dict[str, Any] | None = None,
) -> Event:
    """Writes it into the outbox; the courier spreads it once the caller's transaction is committed."""
    event = Event.objects.create(
        kind=kind,
        target_type=target_type,
        target_id=target_id,
        target_label=target_label[:254],
        project=project,
        site=site,
        user=user,
        is_over=is_over,
        detail=detail or {},
    )
    transaction.on_commit(wake)
    return event
