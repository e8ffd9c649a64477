"""The agent goes away at any request of any change: it fails with a clear word, and once the agent is back, Eve and the host agree."""

from __future__ import annotations

import itertools

import pytest

from hypervisors.client import AgentClient
from operations.models import ACTIVE_STATES, OperationState
from vms.handlers import images
from vms.inventory import domain_apply
from vms.services import uploads_sweep

from .agreement import differences
from .every_change import CHANGES, Asking, changes
from .images.conftest import agent, ca, enrolled, hypervisor, work
from .images.test_coming import files
from .mortal_worker import instrument
from .test_killed import asking, taken_over

__all__ = ["agent", "asking", "ca", "enrolled", "files", "hypervisor", "work"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
_PART = "the part of the image that was copied"
ASKED_AGAIN = {
    "image.check": "the upload, all of which is there",
    "image.delete given up": "the upload, until it is swept again",
    "vm.cd copied": _PART,
    "vm.create copied": _PART,
    "vm.reinstall copied": _PART,
    "vm.rescue copied": _PART,
    "vm.rescue_end": "a machine half-way out of its rescue",
    "vm.restore": "what differed",
    "vm.restore domain": "what differed",
}
"""What may still be there, and is finished by asking again."""
FORGIVING = ("vm.reinstall", "vm.reinstall cloud", "vm.reinstall copied")
"""The old disk becomes a kept one where it cannot be deleted."""


@pytest.mark.parametrize("change", changes())
def test_it_fails_and_nothing_is_left_over(asking: Asking, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    left, went_at = 0, ""

    def border(name: str) -> None:
        nonlocal left, went_at
        if not name.startswith("before _send"):
            return
        left -= 1
        if left == 0:
            went_at = name
            asking.agent.stop()

    instrument(border, monkeypatch.setattr)
    monkeypatch.setattr(images, "AWAY_SECONDS", 0.0)
    *before, last = CHANGES[change]
    for number in itertools.count(1):
        left, went_at = 0, ""
        if before:
            asking.ask(*before)
            asking.done()
        asking.ask(last)
        left = number
        operation = asking.work()
        if not went_at:
            break
        asking.agent.start()
        back(asking)
        if operation.state in ACTIVE_STATES:
            operation = taken_over()
        if operation.state == OperationState.SUCCEEDED:
            assert change in FORGIVING, went_at
            continue
        assert (operation.error["code"], operation.error["retryable"]) == ("host_away", True), went_at
        if change in ASKED_AGAIN:
            if not uploads_sweep():
                asking.again()
            asking.done()
        assert differences(asking.agent) == [], went_at
    assert operation.state == OperationState.SUCCEEDED
    assert number > 1, "it asked nothing of the host"


def back(asking: Asking) -> None:
    """What the watcher tells of a host that can be reached again."""
    with AgentClient(asking.agent.hypervisor) as client:
        for domain in client.domains():
            domain_apply(hypervisor_id=asking.agent.hypervisor.pk, domain=domain)
