"""Which watcher watches which host: each its share, by lease, so that a killed one's hosts are taken over."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils import timezone

from .models import Hypervisor, HypervisorState, Watcher

LEASE = dt.timedelta(seconds=15)
RENEW_BEFORE = dt.timedelta(seconds=10)
"""A lease is renewed when less than that is left of it."""
FORGET_AFTER = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One host to watch. Another address or enrolment is another assignment."""

    hypervisor_id: uuid.UUID
    name: str
    address: str
    enrolled_at: dt.datetime | None


def leases_take(*, watcher: str) -> list[Assignment]:
    """Renews what `watcher` holds, takes what is free or abandoned, gives back what is beyond its share of the hosts.

    To be called once a second. Two queries while nothing changes.
    """
    now = timezone.now()
    share_of = _live_watchers(watcher, now)
    rows = list(
        Hypervisor.objects.exclude(certificate_fingerprint="")
        .exclude(state=HypervisorState.REVOKED)
        .only("id", "name", "address", "enrolled_at", "watcher", "watcher_lease_until")
        .order_by("id")
    )
    share = -(-len(rows) // share_of)
    mine = [row for row in rows if row.watcher == watcher and _is_leased(row, now)]
    for row in mine[share:]:
        _release(Hypervisor.objects.filter(pk=row.pk, watcher=watcher))
    mine = mine[:share]
    mine += _claim([row for row in rows if not _is_leased(row, now)], share - len(mine), watcher, now)
    if any((row.watcher_lease_until or now) - now < RENEW_BEFORE for row in mine):
        Hypervisor.objects.filter(pk__in=[row.pk for row in mine], watcher=watcher).update(
            watcher_lease_until=now + LEASE
        )
    return [Assignment(row.pk, row.name, row.address, row.enrolled_at) for row in mine]


def leases_release(*, watcher: str) -> None:
    """Gives everything back at once: another watcher goes on within a second."""
    _release(Hypervisor.objects.filter(watcher=watcher))
    Watcher.objects.filter(name=watcher).delete()


def _live_watchers(watcher: str, now: dt.datetime) -> int:
    seen = dict(Watcher.objects.values_list("name", "seen_until"))
    if watcher not in seen or seen[watcher] - now < RENEW_BEFORE:
        Watcher.objects.update_or_create(name=watcher, defaults={"seen_until": now + LEASE})
        Watcher.objects.filter(seen_until__lt=now - FORGET_AFTER).delete()
        seen[watcher] = now + LEASE
    return sum(until > now for until in seen.values())


def _claim(free: list[Hypervisor], count: int, watcher: str, now: dt.datetime) -> list[Hypervisor]:
    claimed = []
    for row in free[: max(count, 0)]:
        is_free = Q(watcher="") | Q(watcher_lease_until__isnull=True) | Q(watcher_lease_until__lte=now)
        until = now + LEASE
        if Hypervisor.objects.filter(is_free, pk=row.pk).update(watcher=watcher, watcher_lease_until=until) == 1:
            row.watcher, row.watcher_lease_until = watcher, until
            claimed.append(row)
    return claimed


def _is_leased(row: Hypervisor, now: dt.datetime) -> bool:
    return bool(row.watcher) and row.watcher_lease_until is not None and row.watcher_lease_until > now


def _release(rows: QuerySet[Hypervisor]) -> None:
    rows.update(watcher="", watcher_lease_until=None)
