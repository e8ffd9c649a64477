"""A worker that is killed at any border of any change: the next one finishes it, and Eve and the host agree about all that there is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from operations.claims import operation_claim
from operations.models import ACTIVE_STATES, Operation, OperationState
from operations.worker import operation_run
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from tests.services.mortal import MortalRun

from .agreement import differences
from .every_change import CHANGES, Asking, changes, handler_of, kind_of
from .images.conftest import agent, ca, enrolled, hypervisor, work
from .images.test_coming import files
from .mortal_worker import work_until

__all__ = ["agent", "ca", "enrolled", "files", "hypervisor", "work"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
MOST_BORDERS = 60
LEAST_BORDERS = 3
"""Each asks the host at least once."""


@pytest.fixture
def asking(cast: Cast, agent: RealAgent, work: Callable[[], Operation], files: str) -> Asking:
    """Who asks for changes. Guests ignore the power button: nobody here tells Eve when they go off."""
    agent.driver.shutdown_seconds = None
    return Asking(cast, agent, work, files)


def until_it_lives(
    run: MortalRun, settings: LazySettings, start: Callable[[], Any], *, fails_at: str | None = None
) -> Iterator[str]:
    """Has `start` make an operation, and kills its worker at the first border, the second, …; yields after each what it died at.

    With `fails_at` the operation fails there, and the borders are those of taking it back.
    """
    changed = {"CA_DIR": settings.CA_DIR, "IMAGE_ALLOW_PRIVATE": settings.IMAGE_ALLOW_PRIVATE}
    for border in range(MOST_BORDERS):
        start()
        was_killed, said = run(work_until, border, database(), changed, fails_at)
        yield said
        if not was_killed:
            return
    raise AssertionError("it has no end of borders")


def database() -> dict[str, str]:
    """How another process reaches the test's."""
    names = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
    return {name: str(connection.settings_dict.get(name, "")) for name in names}


def taken_over() -> Operation:
    """The operation, once the killed worker's lease is over and the next one has looked."""
    last = Operation.objects.order_by("-created_at")[0]
    if last.state in ACTIVE_STATES:
        Operation.objects.filter(pk=last.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
        if operation := operation_claim(worker="next"):
            operation_run(operation)
        last.refresh_from_db()
    return last


@pytest.mark.parametrize("change", changes())
def test_it_is_finished(asking: Asking, mortal_run: MortalRun, settings: LazySettings, change: str) -> None:
    borders = []
    for border in until_it_lives(mortal_run, settings, lambda: asking.ask(*CHANGES[change])):
        borders.append(border)
        operation = taken_over()
        assert operation.kind == kind_of(change)
        if handler_of(change).is_idempotent or operation.error is None:
            assert operation.state == OperationState.SUCCEEDED, (border, operation.error)
        else:
            assert operation.error["code"] == "operation_interrupted", border
        assert differences(asking.agent) == [], border
    assert len(borders) > LEAST_BORDERS, borders
