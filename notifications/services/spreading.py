"""From an event in the outbox to what each receiver gets of it. By whom, how often and when a process is killed: exactly once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from functools import partial
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from accounts.models import User
from notifications.models import Delivery, DeliveryState, Event, Notice, Way, Webhook
from notifications.selectors import people_of, ways_for, webhooks_of
from vms.live import tell, user_group

MAILS_PER_HOUR: Final = 30
"""As many mails one person gets; what goes beyond is in their list only."""
MOST_WAITING: Final = 500
"""As many deliveries wait for one webhook; further ones are dropped, and shown as such."""
_AT_ONCE: Final = 20


def events_spread() -> int:
    """Spreads some of the events that wait. Returns how many."""
    waiting = Event.objects.filter(spread_at=None).order_by("at", "id").values_list("pk", flat=True)
    return sum(_spread(key) for key in waiting[:_AT_ONCE])


@transaction.atomic
def _spread(key: UUID) -> int:
    if not Event.objects.filter(pk=key, spread_at=None).update(spread_at=timezone.now()):
        return 0
    event = Event.objects.select_related("project").get(pk=key)
    people = people_of(event)
    ways = ways_for(people, event)
    told = [user.pk for user in people if Way.PAGE in ways[user.pk]]
    Notice.objects.bulk_create([Notice(event=event, user_id=user_id, at=event.at) for user_id in told])
    mailed = [user for user in people if Way.MAIL in ways[user.pk]] if settings.SENDS_MAIL else []
    letters = [Delivery(event=event, user_id=user_id) for user_id in _not_flooded(mailed)]
    Delivery.objects.bulk_create([*letters, *_posts(event, webhooks_of(event))])
    transaction.on_commit(partial(_publish, told))
    return 1


def notices_announce(user_id: UUID) -> None:
    """Tells the user's open pages, now, that their list is another."""
    tell([user_group(user_id)], {"type": "notification"})


def _publish(told: Collection[UUID]) -> None:
    for user_id in told:
        notices_announce(user_id)


def _not_flooded(people: Collection[User]) -> list[UUID]:
    since = timezone.now() - dt.timedelta(hours=1)
    recent = Delivery.objects.filter(user__in=people, created_at__gt=since).order_by().values_list("user")
    had = dict(recent.annotate(Count("pk")))
    return [user.pk for user in people if had.get(user.pk, 0) < MAILS_PER_HOUR]


def _posts(event: Event, webhooks: Collection[Webhook]) -> list[Delivery]:
    waiting = (
        Delivery.objects.filter(webhook__in=webhooks, state=DeliveryState.WAITING).order_by().values_list("webhook")
    )
    counts = dict(waiting.annotate(Count("pk")))
    return [
        Delivery(event=event, webhook=webhook)
        if counts.get(webhook.pk, 0) < MOST_WAITING
        else Delivery(
            event=event, webhook=webhook, state=DeliveryState.DROPPED, error="too_many", ended_at=timezone.now()
        )
        for webhook in webhooks
    ]
