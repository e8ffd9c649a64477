"""What lasts and may flap: told once when it began, once when it has ended, however often it changed in between.

An episode begins when it turns bad, and has ended once it was good for a while without a break (:data:`STEADY_SECONDS`, hosts
:data:`settings.NOTIFY_BACK_SECONDS`). A host's is told when it lasts longer than :data:`settings.NOTIFY_AWAY_SECONDS`, a crash at once.
"""

from __future__ import annotations

import datetime as dt
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hypervisors.models import Hypervisor
from notifications.models import Condition, Event, Kind

from .events import event_record

STEADY_SECONDS: Final = 600
"""A machine that crashes again sooner is in the same trouble still."""
_AT_ONCE: Final = 100


def condition_bad(*, kind: Kind, target_id: UUID, steady_seconds: float) -> bool:
    """It is bad now. Returns whether that begins an episode. Within the caller's transaction."""
    now = timezone.now()
    row, is_new = Condition.objects.select_for_update().get_or_create(
        kind=kind, target_id=target_id, part="", defaults={"bad_since": now}
    )
    if is_new or row.is_bad:
        return is_new
    begins = row.good_since is None or now - row.good_since >= dt.timedelta(seconds=steady_seconds)
    row.is_bad, row.good_since = True, None
    if begins:
        row.bad_since = now
    row.save(update_fields=["is_bad", "good_since", "bad_since"])
    return begins


def conditions_good(*, kind: Kind, target_ids: list[UUID]) -> None:
    """These are good now. Within the caller's transaction; one query, however many."""
    Condition.objects.filter(kind=kind, target_id__in=target_ids, is_bad=True).update(
        is_bad=False, good_since=timezone.now()
    )


def condition_forget(*, kind: Kind, target_id: UUID) -> None:
    """It is neither any more, such as a host that was shut out on purpose."""
    Condition.objects.filter(kind=kind, target_id=target_id).delete()


def conditions_settle() -> int:
    """Tells of hosts that are away for long enough, or back for good, and forgets what has passed. Returns how many changed.

    Of any number of processes one tells each.
    """
    now = timezone.now()
    away = now - dt.timedelta(seconds=settings.NOTIFY_AWAY_SECONDS)
    back = now - dt.timedelta(seconds=settings.NOTIFY_BACK_SECONDS)
    steady = now - dt.timedelta(seconds=STEADY_SECONDS)
    hosts = Condition.objects.filter(kind=Kind.HOST_AWAY)
    done = sum(_tell(row) for row in hosts.filter(is_bad=True, is_told=False, bad_since__lte=away)[:_AT_ONCE])
    done += sum(_end(row) for row in hosts.filter(is_bad=False, good_since__lte=back)[:_AT_ONCE])
    crashes = Condition.objects.filter(kind=Kind.VM_CRASHED, is_bad=False, good_since__lte=steady)
    return done + crashes.delete()[0]


@transaction.atomic
def _tell(row: Condition) -> int:
    told = Condition.objects.filter(pk=row.pk, is_bad=True, is_told=False).update(is_told=True)
    if told and not _host_event(row, is_over=False):
        Condition.objects.filter(pk=row.pk).delete()
    return told


@transaction.atomic
def _end(row: Condition) -> int:
    ended: int = Condition.objects.filter(pk=row.pk, is_bad=False, good_since=row.good_since).delete()[0]
    if ended and row.is_told:
        _host_event(row, is_over=True)
    return ended


def _host_event(row: Condition, *, is_over: bool) -> Event | None:
    host = Hypervisor.objects.select_related("site").filter(pk=row.target_id).first()
    if host is None:
        return None
    since = row.good_since if is_over else row.bad_since
    return event_record(
        kind=Kind.HOST_AWAY,
        target_type="hypervisor",
        target_id=host.pk,
        target_label=host.name,
        site=host.site,
        is_over=is_over,
        detail={"state": host.state, "reason": host.state_reason, "since": since.isoformat() if since else ""},
    )
