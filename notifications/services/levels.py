"""What is reached by and by: a quota that fills, a certificate that ends. Looked at now and then; told once for each level, until it fell below."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Project
from hypervisors.models import Hypervisor, HypervisorState
from notifications.models import Condition, Kind
from vms.hosts import CERTIFICATE_DAYS
from vms.quotas import Share, shares_of_all

from .events import event_record

SOON: Final = 1
"""The level of a certificate that was not renewed in time."""
ENDED: Final = 2
FULL: Final = 100
"""The level of a quota that is used up, in percent; the one before it is :data:`settings.NOTIFY_QUOTA_PERCENT`."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A level that something has reached, and the event that tells it."""

    kind: Kind
    target_id: UUID
    part: str
    level: int
    event: dict[str, Any]


def levels_look() -> int:
    """Tells what is higher than when it was told last, and notes what has fallen. Returns how many events it wrote."""
    reached = {(each.kind, each.target_id, each.part): each for each in (*_quotas(), *_certificates())}
    rows = {
        (Kind(row.kind), row.target_id, row.part): row
        for row in Condition.objects.filter(kind__in=(Kind.QUOTA_NEAR, Kind.CERTIFICATE_ENDS))
    }
    for key, row in rows.items():
        now = reached[key].level if key in reached else 0
        if now < row.level:
            _fall(row, now)
    return sum(_rise(each, rows.get(key)) for key, each in reached.items())


def _fall(row: Condition, level: int) -> None:
    as_seen = Condition.objects.filter(pk=row.pk, level=row.level)
    if level:
        as_seen.update(level=level)
    else:
        as_seen.delete()


@transaction.atomic
def _rise(reached: Reached, row: Condition | None) -> int:
    if row is None:
        _made, is_mine = Condition.objects.get_or_create(
            kind=reached.kind,
            target_id=reached.target_id,
            part=reached.part,
            defaults={"bad_since": timezone.now(), "is_told": True, "level": reached.level},
        )
        risen = int(is_mine)
    elif row.level < reached.level:
        risen = Condition.objects.filter(pk=row.pk, level=row.level).update(level=reached.level)
    else:
        return 0
    if risen:
        event_record(kind=reached.kind, target_id=reached.target_id, **reached.event)
    return risen


def _quotas() -> Iterator[Reached]:
    found = [(project_id, share, _level(share)) for project_id, share in shares_of_all()]
    near = [each for each in found if each[2]]
    projects = Project.objects.in_bulk({project_id for project_id, _share, _at in near})
    for project_id, share, level in near:
        if (project := projects.get(project_id)) is None:
            continue
        event = {
            "target_type": "project",
            "target_label": project.name,
            "project": project,
            "detail": {"what": share.name, "used": share.used, "limit": share.limit},
        }
        yield Reached(Kind.QUOTA_NEAR, project_id, share.name, level, event)


def _level(share: Share) -> int:
    if not share.limit:
        return 0
    percent = 100 * share.used // share.limit
    return FULL if percent >= FULL else settings.NOTIFY_QUOTA_PERCENT if percent >= settings.NOTIFY_QUOTA_PERCENT else 0


def _certificates() -> Iterator[Reached]:
    now = timezone.now()
    soon = Hypervisor.objects.filter(certificate_expires_at__lt=now + dt.timedelta(days=CERTIFICATE_DAYS))
    living = soon.exclude(state=HypervisorState.REVOKED).exclude(certificate_fingerprint="")
    for host in living.select_related("site"):
        assert host.certificate_expires_at is not None
        event = {
            "target_type": "hypervisor",
            "target_label": host.name,
            "site": host.site,
            "detail": {"ends_at": host.certificate_expires_at.isoformat()},
        }
        level = ENDED if host.certificate_expires_at <= now else SOON
        yield Reached(Kind.CERTIFICATE_ENDS, host.pk, "", level, event)
