"""What may be cancelled is, at any border of its work: it is done, or nothing is there that was not there before."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest

from operations.errors import CannotCancel
from operations.models import ACTIVE_STATES, Operation, OperationState
from operations.services import operation_cancel
from vms.quotas import usage_of

from .agreement import all_there_is, differences
from .every_change import CHANGES, Asking, changes
from .images.conftest import agent, ca, enrolled, hypervisor, work
from .images.test_coming import files
from .mortal_worker import instrument
from .test_killed import asking

__all__ = ["agent", "asking", "ca", "enrolled", "files", "hypervisor", "work"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]


@pytest.mark.parametrize("change", changes(but=lambda handler: not handler.can_cancel))
def test_it_is_done_or_nothing_is(asking: Asking, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    left, asked_at = 0, ""
    project = asking.cast.acme

    def border(name: str) -> None:
        nonlocal left, asked_at
        left -= 1
        if left == 0:
            asked_at = name
            operation = Operation.objects.get(state__in=ACTIVE_STATES)
            with suppress(CannotCancel):
                operation_cancel(operation=operation, user=operation.requested_by)

    instrument(border, monkeypatch.setattr)
    ends: dict[str, str] = {}
    for number in itertools.count(1):
        left, asked_at = 0, ""
        asking.prepare(change)
        there, used = all_there_is(asking.agent), usage_of(project)
        asking.ask(CHANGES[change][-1])
        left = number
        state = asking.work().state
        if not asked_at:
            break
        ends[f"{number}: {asked_at}"] = state
        assert differences(asking.agent) == [], asked_at
        asking.is_prepared = state == OperationState.CANCELLED
        if asking.is_prepared:
            assert (all_there_is(asking.agent), usage_of(project)) == (there, used), asked_at
    first, *_, last_end = ends.values()
    assert set(ends.values()) == {OperationState.CANCELLED, OperationState.SUCCEEDED}, ends
    assert (first, last_end) == (OperationState.CANCELLED, OperationState.SUCCEEDED), ends
