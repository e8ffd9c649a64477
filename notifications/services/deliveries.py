"""Deliveries in the courier's hands: claimed, looked at once more, ended, tried again. Each step is one conditional UPDATE."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone, translation

from common.sealing import SealBroken
from common.sweeping import rows_sweep
from notifications.models import Delivery, DeliveryState, Event, Kind, Webhook
from notifications.selectors import may_know, webhook_is_answered_for, webhook_may_know
from notifications.sending.signing import signed_headers
from notifications.words import mail_of, told

PAUSES_SECONDS: Final = (10, 60, 300, 1800, 7200, 21_600)
"""Before each further try; after the last one it is given up: some nine hours in all."""
LEASE_SECONDS: Final = 180
"""So long a try may take; afterwards its process counts as killed, and it is tried again."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be sent."""

    delivery_id: UUID
    address: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Post:
    """What a webhook is to be sent."""

    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try went; well where there is no error."""

    error: str = ""
    answer: int | None = None
    is_final: bool = False
    """Whether trying again cannot help."""


def delivery_claim(*, but: Collection[UUID]) -> Delivery | None:
    """The one that waits longest for its turn; it is the caller's for :data:`LEASE_SECONDS`. None where none is due.

    Args:
        but: users and webhooks for whom one is under way: who is slow holds up nobody else.
    """
    now = timezone.now()
    due = Delivery.objects.filter(state=DeliveryState.WAITING, next_at__lte=now).order_by("next_at", "id")
    others = due.exclude(Q(user__in=but) | Q(webhook__in=but)) if but else due
    for delivery in others[:5]:
        lease = now + dt.timedelta(seconds=LEASE_SECONDS)
        as_seen = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING, next_at=delivery.next_at)
        if as_seen.update(next_at=lease, attempts=F("attempts") + 1):
            delivery.next_at, delivery.attempts = lease, delivery.attempts + 1
            return delivery
    return None


def delivery_open(delivery: Delivery) -> Letter | Post | None:
    """What is to be sent now. None, and it has ended, where its receiver may not know it any more."""
    row = Delivery.objects.select_related("event__project", "user", "webhook__made_by", "webhook__project").get(
        pk=delivery.pk
    )
    if row.webhook is not None:
        if not _is_wanted(row.webhook, row.event):
            _drop(delivery, "not_known")
            return None
        try:
            return _post(row, row.webhook)
        except SealBroken:
            _drop(delivery, "broken")
            return None
    if row.user is None or not may_know(row.user, row.event):
        _drop(delivery, "not_known")
        return None
    with translation.override(settings.LANGUAGE_CODE):
        subject, text = mail_of(row.event)
    return Letter(delivery_id=row.pk, address=row.user.email, subject=subject, text=text)


def delivery_end(*, delivery: Delivery, outcome: Outcome) -> None:
    """Writes down how the try went: sent, given up, or to be tried again after a longer pause."""
    mine = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING, attempts=delivery.attempts)
    now = timezone.now()
    if not outcome.error:
        mine.update(state=DeliveryState.SENT, error="", answer=outcome.answer, ended_at=now)
    elif outcome.is_final or delivery.attempts > len(PAUSES_SECONDS):
        mine.update(state=DeliveryState.GIVEN_UP, error=outcome.error, answer=outcome.answer, ended_at=now)
    else:
        pause = dt.timedelta(seconds=PAUSES_SECONDS[delivery.attempts - 1])
        mine.update(error=outcome.error, answer=outcome.answer, next_at=now + pause)


def events_sweep() -> int:
    """Deletes some of what is older than :data:`settings.NOTIFICATION_DAYS`, with notices and deliveries. Returns how many."""
    before = timezone.now() - dt.timedelta(days=settings.NOTIFICATION_DAYS)
    return rows_sweep(Event.objects.filter(at__lt=before).exclude(spread_at=None).order_by("at"))


def _is_wanted(webhook: Webhook, event: Event) -> bool:
    if event.kind == Kind.TEST:
        return webhook_is_answered_for(webhook)
    return webhook_may_know(webhook, event)


def _drop(delivery: Delivery, error: str) -> None:
    Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING).update(
        state=DeliveryState.DROPPED, error=error, ended_at=timezone.now()
    )


def _post(row: Delivery, webhook: Webhook) -> Post:
    with translation.override(settings.LANGUAGE_CODE):
        body = json.dumps(_message(row.event), ensure_ascii=False).encode()
    timestamp = int(timezone.now().timestamp())
    headers = signed_headers(sealed_secret=webhook.sealed_secret, delivery_id=row.pk, timestamp=timestamp, body=body)
    return Post(url=webhook.url, body=body, headers=headers)


def _message(event: Event) -> dict[str, object]:
    words = told(event)
    return {
        "type": event.kind,
        "timestamp": event.at.isoformat(),
        "data": {
            "event": str(event.pk),
            "is_over": event.is_over,
            "title": words.title,
            "text": words.text,
            "url": words.url,
            "project": {"id": str(event.project.pk), "name": event.project.name} if event.project else None,
            "target": {"type": event.target_type, "id": str(event.target_id), "name": event.target_label},
        },
    }
