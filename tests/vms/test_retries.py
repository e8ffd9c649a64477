"""A request that is sent again with its key gets what the first one made, also once that is over and what it was about is gone."""

from __future__ import annotations

import pytest

from operations.models import Operation, OperationState
from operations.services import operation_cancel

from .every_change import CHANGES, Asking, kind_of, to_fetch
from .images.conftest import agent, ca, enrolled, hypervisor, work
from .images.test_coming import files
from .test_killed import asking

__all__ = ["agent", "asking", "ca", "enrolled", "files", "hypervisor", "work"]

pytestmark = pytest.mark.django_db(transaction=True)
DELETIONS = [
    *("vm.delete", "vm.disk_remove", "vm.disk_detach", "vm.nic_remove", "vm.snapshot_delete", "vm.rescue_end"),
    *("disk.delete", "image.delete"),
]


@pytest.mark.parametrize("change", [*DELETIONS, "image.check"])
def test_what_is_gone(asking: Asking, change: str) -> None:
    *before, last = CHANGES[change]
    if before:
        asking.ask(*before)
        asking.done()
    asking.key = "once"
    operation = asking.ask(last)
    asking.done()
    answer = asking.again()
    assert (answer.status_code, answer.json()) == (202, {"operation": operation.api_path})
    assert (operation.kind, Operation.objects.filter(kind=operation.kind).count()) == (kind_of(change), 1)


def test_another_deletion_with_the_same_key(asking: Asking) -> None:
    asking.ask(*CHANGES["vm.delete"][:-1])
    asking.done()
    asking.key = "once"
    asking.ask(CHANGES["vm.nic_remove"][-1])
    asking.done()
    with pytest.raises(AssertionError, match="idempotency_mismatch"):
        asking.ask(CHANGES["vm.delete"][-1])


def test_a_fetch_that_was_cancelled(asking: Asking) -> None:
    asking.key = "once"
    operation = asking.ask(to_fetch)
    operation_cancel(operation=operation, user=asking.cast.owner)
    assert asking.work().state == OperationState.CANCELLED
    answer = asking.again()
    assert (answer.status_code, answer.json()) == (202, {"image": None, "operation": operation.api_path})
