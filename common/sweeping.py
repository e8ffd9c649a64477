"""Deleting rows that are over, while others use their neighbours."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

MOST_AT_ONCE = 500


@transaction.atomic
def rows_sweep(over: QuerySet[Any]) -> int:
    """Deletes what `over` selects, :data:`MOST_AT_ONCE` rows at most, passing over rows that somebody holds a lock on.

    Returns how many: 0 where none is left, or others sweep it.

    A plain DELETE of many rows waits for each lock in an order of its own, and two of them, or one and somebody who holds a
    row, may wait for each other. What is left now is swept next time.
    """
    keys = list(over.select_for_update(skip_locked=True).values_list("pk", flat=True)[:MOST_AT_ONCE])
    if keys:
        over.model._default_manager.filter(pk__in=keys).delete()
    return len(keys)
