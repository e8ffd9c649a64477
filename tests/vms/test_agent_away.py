"""The way to the agent breaks at any request of any change, before it is asked or once it has done what it was asked for: the change
fails with a clear word, and once the agent can be reached, Eve and the host agree. Where an answer alone is lost, the change goes on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

import pytest

from hypervisors.client import AgentClient
from hypervisors.models import Hypervisor
from operations.models import ACTIVE_STATES, Operation, OperationState
from tests.services.line import Line
from vms.handlers import images
from vms.inventory import domain_apply
from vms.models import Disk
from vms.services import uploads_sweep

from .agreement import differences
from .every_change import CHANGES, Asking, changes, to_delete_disk
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
_GONE = "the row of what is gone"
UNHEARD = {
    **ASKED_AGAIN,
    **dict.fromkeys(("disk.delete", "image.delete", "vm.delete", "vm.delete cloud", "vm.snapshot_delete"), _GONE),
    **dict.fromkeys(("vm.disk_detach", "vm.disk_remove", "vm.nic_remove"), _GONE),
    "vm.cd": "a disc of which Eve does not know",
}
"""The same of what the host did and Eve never heard of: an undo would bring nothing back."""
FORGIVING = ("vm.reinstall", "vm.reinstall cloud", "vm.reinstall copied")
"""The old disk becomes a kept one where it cannot be deleted, and is deleted as any kept one."""


@pytest.fixture
def line(asking: Asking) -> Iterator[Line]:
    """Eve's way to the agent."""
    line = Line(asking.agent.port)
    Hypervisor.objects.filter(pk=asking.agent.hypervisor.pk).update(address=line.address.removeprefix("tcp:"))
    yield line
    line.close()


@pytest.fixture
def at_request(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Iterator[tuple[str, Operation]]]:
    """``at_request(change, breaks)``: calls `breaks` before the first request of the change, then before the second of another, …

    Yields each time what that request was, and the operation; the last one came to its end before the request.
    """
    left, reached, breaking = 0, "", []

    def border(name: str) -> None:
        nonlocal left, reached
        if not name.startswith("before _send"):
            return
        left -= 1
        if left == 0:
            reached = name
            breaking[0]()

    def attempts(change: str, breaks: Callable[[], None]) -> Iterator[tuple[str, Operation]]:
        nonlocal left, reached
        breaking[:] = [breaks]
        *before, last = CHANGES[change]
        for number in itertools.count(1):
            left, reached = 0, ""
            if before:
                asking.ask(*before)
                asking.done()
            asking.ask(last)
            left = number
            operation = asking.work()
            left = 0
            yield reached, operation
            if not reached:
                assert number > 1, "it asked nothing of the host"
                return

    instrument(border, monkeypatch.setattr)
    monkeypatch.setattr(images, "AWAY_SECONDS", 0.0)
    return attempts


Attempts = Callable[..., Iterator[tuple[str, Operation]]]


@pytest.mark.parametrize("change", changes())
def test_it_fails_and_nothing_is_left_over(asking: Asking, at_request: Attempts, change: str) -> None:
    for went_at, operation in at_request(change, asking.agent.stop):
        if went_at:
            asking.agent.start()
            back(asking)
        is_settled(asking, change, went_at, operation, ASKED_AGAIN)


@pytest.mark.parametrize("change", changes())
def test_what_was_done_unheard_is_taken_back_or_finished(
    asking: Asking, line: Line, at_request: Attempts, change: str
) -> None:
    """The line breaks for good once the agent has done its work, so that Eve does not know of it."""
    for went_at, operation in at_request(change, lambda: lose(asking, line, goes_down=True)):
        assert line.has_lost
        line.is_down = False
        back(asking)
        is_settled(asking, change, went_at, operation, UNHEARD)


@pytest.mark.parametrize("change", changes())
def test_an_answer_that_is_lost_is_asked_for_again(
    asking: Asking, line: Line, at_request: Attempts, change: str
) -> None:
    for went_at, operation in at_request(change, lambda: lose(asking, line, goes_down=False)):
        assert line.has_lost
        assert operation.state == OperationState.SUCCEEDED, (went_at, operation.error)
        assert differences(asking.agent) == [], went_at


def is_settled(asking: Asking, change: str, went_at: str, operation: Operation, asked_again: Mapping[str, str]) -> None:
    """Whatever broke, it ended with a clear word, and Eve and the host agree, if need be once somebody has asked again."""
    if operation.state in ACTIVE_STATES:
        operation = taken_over()
    if operation.state == OperationState.SUCCEEDED:
        assert not went_at or change in FORGIVING, went_at
        if went_at:
            delete_kept(asking)
    else:
        assert went_at, operation.error
        assert (operation.error["code"], operation.error["retryable"]) == ("host_away", True), went_at
        if change in asked_again:
            if not uploads_sweep():
                asking.again()
            asking.done()
            delete_kept(asking)
    assert differences(asking.agent) == [], went_at


def delete_kept(asking: Asking) -> None:
    """Deletes the disk that was kept in place of a deletion, if there is one."""
    if Disk.objects.filter(vm=None).exists():
        asking.ask(to_delete_disk)
        asking.done()


def lose(asking: Asking, line: Line, *, goes_down: bool) -> None:
    """The next answer, which comes over a connection that is there: what it brings first is the answer."""
    with AgentClient(asking.agent.hypervisor) as client:
        client.pools()
    line.lose_next_answer(goes_down=goes_down)


def back(asking: Asking) -> None:
    """What the watcher tells of a host that can be reached again."""
    with AgentClient(asking.agent.hypervisor) as client:
        for domain in client.domains():
            domain_apply(hypervisor_id=asking.agent.hypervisor.pk, domain=domain)
