"""Limits on attempts, counted in the database so that all processes count together, and go on counting without Redis.

A sign-in is counted three times: by the address it comes from, by account *and* address, and by account alone. The last is
ten times as wide and passes over addresses from which that account has signed in before, so that nobody can lock a user out
of the places they use. An attempt is counted before the password is looked at: a burst of parallel ones gets no further.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from common.secrets import digest_of
from common.sweeping import rows_sweep

from .errors import TooManyAttempts
from .models import AttemptCounter, KnownAddress

ACCOUNT_WIDE_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` attempts under `key` in one window."""

    key: str
    most: int


def limit_of(*what: str, most: int) -> Limit:
    """The limit on what is named by these words."""
    return Limit(key=digest_of("\0".join(what)), most=most)


def attempt_reserve(*limits: Limit) -> None:
    """Counts one attempt under every limit, or under none. Raises TooManyAttempts.

    Rows are locked in the order given: callers name the kinds of their limits in one order.
    """
    with transaction.atomic():
        counters = [_locked(limit) for limit in limits]
        full = next(
            (counter for counter, limit in zip(counters, limits, strict=True) if counter.count >= limit.most), None
        )
        is_first = full is not None and not full.is_refusal_seen
        if full is None:
            for counter in counters:
                counter.count += 1
                counter.save()
        elif is_first:
            full.is_refusal_seen = True
            full.save()
    if full is not None:
        raise TooManyAttempts(retry_after_seconds=_seconds_left(full), is_first=is_first)


def attempt_return(*limits: Limit) -> None:
    """Gives an attempt back: it was a good one.

    A row at a time: one statement over all of them would lock in an order of its own, and deadlock with a reservation.
    """
    for limit in limits:
        AttemptCounter.objects.filter(key=limit.key, count__gt=0).update(count=F("count") - 1)


def login_limits(email: str, address: str | None) -> list[Limit]:
    """What one sign-in counts against."""
    account, network = email.strip().lower(), network_of(address)
    limits = [
        limit_of("address", network, most=settings.LOGIN_LIMIT_PER_ADDRESS),
        limit_of("pair", account, network, most=settings.LOGIN_LIMIT_PER_ACCOUNT),
    ]
    if not KnownAddress.objects.filter(user__email=account, network=network).exists():
        limits.append(limit_of("account", account, most=settings.LOGIN_LIMIT_PER_ACCOUNT * ACCOUNT_WIDE_FACTOR))
    return limits


def network_of(address: str | None) -> str:
    """What counts as one place: an IPv4 address, or the /64 of an IPv6 address."""
    if not address:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def counters_sweep() -> None:
    """Deletes counters whose window is over."""
    rows_sweep(AttemptCounter.objects.filter(window_started_at__lt=timezone.now() - _window()))


def _locked(limit: Limit) -> AttemptCounter:
    """The limit's counter, locked, with a new window where the old one is over."""
    counter, _is_new = AttemptCounter.objects.select_for_update().get_or_create(key=limit.key)
    now = timezone.now()
    if counter.window_started_at <= now - _window():
        counter.count, counter.window_started_at, counter.is_refusal_seen = 0, now, False
    return counter


def _seconds_left(counter: AttemptCounter) -> int:
    return max(1, int((counter.window_started_at + _window() - timezone.now()).total_seconds()))


def _window() -> dt.timedelta:
    return dt.timedelta(seconds=settings.LOGIN_LIMIT_WINDOW_SECONDS)
