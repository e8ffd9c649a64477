"""Limits on attempts, counted in the database so that all processes count together.

A sign-in is counted three times: by the address it comes from, by account *and* address, and by account alone. The last is
ten times as wide and passes over addresses from which that account has signed in before, so that nobody can lock a user out
of the places they use. An attempt is counted before the password is looked at: a burst of parallel ones gets no further.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from common.secrets import digest_of

from .errors import TooManyAttempts
from .models import AttemptCounter, KnownAddress

ACCOUNT_WIDE_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` attempts under `key` in one window."""

    key: str
    most: int


def attempt_reserve(limits: Sequence[Limit], *, window_seconds: int) -> None:
    """Counts one attempt under every limit. Raises TooManyAttempts, with what was counted for it given back."""
    taken: list[Limit] = []
    for limit in limits:
        if not _count(limit, window_seconds):
            attempt_return(taken)
            raise TooManyAttempts(_seconds_left(limit, window_seconds))
        taken.append(limit)


def attempt_return(limits: Sequence[Limit]) -> None:
    """Gives an attempt back: it was a good one."""
    AttemptCounter.objects.filter(key__in=[limit.key for limit in limits], count__gt=0).update(count=F("count") - 1)


def login_limits(email: str, address: str | None) -> list[Limit]:
    """What one sign-in counts against."""
    account, network = email.strip().lower(), network_of(address)
    limits = [
        Limit(_key("address", network), settings.LOGIN_LIMIT_PER_ADDRESS),
        Limit(_key("pair", account, network), settings.LOGIN_LIMIT_PER_ACCOUNT),
    ]
    if not KnownAddress.objects.filter(user__email__iexact=account, network=network).exists():
        limits.append(Limit(_key("account", account), settings.LOGIN_LIMIT_PER_ACCOUNT * ACCOUNT_WIDE_FACTOR))
    return limits


def network_of(address: str | None) -> str:
    """What counts as one place: an IPv4 address, or the /64 of an IPv6 address."""
    if not address:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def counters_sweep(*, window_seconds: int) -> int:
    """Deletes counters whose window is over."""
    return AttemptCounter.objects.filter(
        window_started_at__lt=timezone.now() - dt.timedelta(seconds=window_seconds)
    ).delete()[0]


def _count(limit: Limit, window_seconds: int) -> bool:
    now = timezone.now()
    window_start = now - dt.timedelta(seconds=window_seconds)
    AttemptCounter.objects.get_or_create(key=limit.key, defaults={"window_started_at": now})
    rows = AttemptCounter.objects.filter(key=limit.key)
    if rows.filter(window_started_at__lte=window_start).update(count=1, window_started_at=now):
        return True
    return rows.filter(count__lt=limit.most).update(count=F("count") + 1) == 1


def _seconds_left(limit: Limit, window_seconds: int) -> int:
    started = AttemptCounter.objects.filter(key=limit.key).values_list("window_started_at", flat=True).first()
    if started is None:
        return window_seconds
    return max(1, int((started + dt.timedelta(seconds=window_seconds) - timezone.now()).total_seconds()))


def _key(*parts: str) -> str:
    return digest_of("\0".join(parts))
