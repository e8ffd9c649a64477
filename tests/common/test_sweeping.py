"""Rows that are over go; rows that somebody holds stay."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from accounts.models import AttemptCounter
from common import sweeping
from common.sweeping import rows_sweep

pytestmark = pytest.mark.django_db(transaction=True)


def old_counters(count: int) -> None:
    long_ago = timezone.now() - dt.timedelta(days=1)
    AttemptCounter.objects.bulk_create(AttemptCounter(key=f"old {n}", window_started_at=long_ago) for n in range(count))


def test_what_is_over_goes_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "MOST_AT_ONCE", 2)
    old_counters(3)
    AttemptCounter.objects.create(key="new")
    over = AttemptCounter.objects.filter(window_started_at__lt=timezone.now() - dt.timedelta(hours=1))
    assert [rows_sweep(over), rows_sweep(over), rows_sweep(over)] == [2, 1, 0]
    assert AttemptCounter.objects.get().key == "new"


def test_a_row_that_somebody_holds_is_passed_over() -> None:
    old_counters(2)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                AttemptCounter.objects.select_for_update().get(key="old 0")
                held.set()
                done.wait(20)
        finally:
            connections.close_all()

    if not connection.features.has_select_for_update_skip_locked:
        # SQLite locks no rows: it has one writer at a time, and who sweeps waits for it.
        assert rows_sweep(AttemptCounter.objects.all()) == 2
        return
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(20)
    assert rows_sweep(AttemptCounter.objects.all()) == 1
    done.set()
    holder.join(20)
    assert rows_sweep(AttemptCounter.objects.all()) == 1
