"""A worker that is killed while it takes something back: the next one finishes that, and all is there that was there before, and no more."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from operations.models import OperationState
from tests.services.mortal import MortalRun

from .agreement import all_there_is, differences
from .every_change import CHANGES, Asking, changes, kind_of
from .images.conftest import agent, ca, enrolled, hypervisor, work
from .images.test_coming import files
from .test_killed import asking, taken_over, until_it_lives

__all__ = ["agent", "asking", "ca", "enrolled", "files", "hypervisor", "work"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
FAILS_AT = {
    "image.delete": "delete",
    "vm.reinstall": "start",
    "vm.reinstall cloud": "start",
    "vm.reinstall copied": "start",
}
"""The last steps before which an operation is taken back; of others that is its end."""
BEFORE = "killed at before the undo is written"
"""There it is not known yet that it failed: it is done once more, and well."""


@pytest.mark.parametrize("change", changes(but=lambda handler: handler.undo is None))
def test_it_is_taken_back(asking: Asking, mortal_run: MortalRun, settings: LazySettings, change: str) -> None:
    borders, before = [], {}

    def start() -> None:
        nonlocal before
        asking.prepare(change)
        before = all_there_is(asking.agent)
        asking.ask(CHANGES[change][-1])

    for border in until_it_lives(mortal_run, settings, start, fails_at=FAILS_AT.get(change, "")):
        borders.append(border)
        operation = taken_over()
        assert operation.kind == kind_of(change)
        assert differences(asking.agent) == [], border
        asking.is_prepared = border != BEFORE
        if not asking.is_prepared:
            assert operation.state == OperationState.SUCCEEDED, operation.error
        else:
            assert (operation.state, operation.error["detail"]) == ("failed", "Made to fail."), border
            assert all_there_is(asking.agent) == before, border
    assert len(borders) > 1, borders
