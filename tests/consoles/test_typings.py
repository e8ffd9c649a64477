"""A text that a host types ends with its author's access; at the real agent of a made-up hypervisor."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from eve_agent.wire.domain import DomainState
from eve_agent.wire.typing import TypingState

from accounts.models import AuditEvent, LoginToken
from accounts.services import logout_everywhere, membership_remove, membership_set, user_update
from consoles import sweeper, typings
from consoles.models import Typing
from hypervisors.client import AgentClient
from hypervisors.models import Hypervisor, HypervisorState
from tests.cast import Cast
from tests.factories import make_vm
from tests.hypervisors.conftest import agent, ca
from tests.hypervisors.real_agent import RealAgent
from vms.models import Vm, VmState
from vms.services import vm_move

__all__ = ["agent", "ca"]
pytestmark = pytest.mark.django_db(transaction=True)
TEXT = "a" * 4096


@pytest.fixture
def hypervisor(ca: object, cast: Cast) -> Hypervisor:
    """The host of site "here"."""
    return cast.hypervisor_here


@pytest.fixture
def vm(cast: Cast, agent: RealAgent) -> Vm:
    """A machine of Acme's that runs there."""
    Hypervisor.objects.filter(pk=agent.hypervisor.pk).update(state=HypervisorState.ONLINE)
    with AgentClient(agent.hypervisor) as client:
        running = next(each for each in client.domains() if each.state is DomainState.RUNNING)
    agent.hypervisor.refresh_from_db()
    return make_vm(cast.acme, agent.hypervisor, "typed-at", id=running.uuid, state=VmState.RUNNING)


def state_of(vm: Vm) -> TypingState:
    with AgentClient(vm.hypervisor) as client:
        return client.typing_status(vm.pk).state


def begin(client: Any, vm: Vm) -> None:
    answer = client.post(f"/api/v1/vms/{vm.pk}/console/typing", {"text": TEXT}, "application/json")
    assert answer.status_code == 202, answer.content
    assert state_of(vm) is TypingState.RUNNING
    assert Typing.objects.filter(vm=vm).exists()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


ENDS: dict[str, Callable[[Cast, Any, Vm], object]] = {
    "signed out": lambda cast, browser, vm: browser.post("/logout/"),
    "signed out everywhere": lambda cast, browser, vm: logout_everywhere(user=cast.operator),
    "disabled": lambda cast, browser, vm: user_update(user=cast.operator, by=cast.superuser, is_active=False),
    "taken out": lambda cast, browser, vm: membership_remove(project=cast.acme, user=cast.operator, by=cast.owner),
    "demoted": lambda cast, browser, vm: membership_set(
        project=cast.acme, user=cast.operator, role="viewer", by=cast.owner
    ),
    "moved": lambda cast, browser, vm: vm_move(vm=vm, project=cast.ottos, user=cast.superuser),
}


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_with_its_authors_access(cast: Cast, vm: Vm, end: str) -> None:
    browser = cast.pages(cast.operator)
    begin(browser, vm)
    ENDS[end](cast, browser, vm)
    until(lambda: state_of(vm) is TypingState.CANCELLED)
    until(lambda: not Typing.objects.exists())
    event = AuditEvent.objects.get(action="console.type_cancel")
    assert (event.target_id, event.detail["reason"], event.detail["characters"]) == (str(vm.pk), "access ended", 4096)


def test_it_ends_with_the_token_that_it_began_with(cast: Cast, vm: Vm) -> None:
    api = cast.api(cast.operator)
    answer = api.post(f"/api/v1/vms/{vm.pk}/console/typing", {"text": TEXT}, format="json")
    assert answer.status_code == 202
    assert Typing.objects.get().token == LoginToken.objects.get()
    api.post("/api/v1/logout")
    until(lambda: state_of(vm) is TypingState.CANCELLED)


def test_others_lose_nothing_by_it(cast: Cast, vm: Vm) -> None:
    browser = cast.pages(cast.operator)
    begin(browser, vm)
    membership_remove(project=cast.acme, user=cast.viewer, by=cast.owner)
    logout_everywhere(user=cast.owner)
    cast.pages(cast.operator).post("/logout/")  # another browser
    typings.typings_look(Typing.objects.all())
    assert state_of(vm) is TypingState.RUNNING


def test_the_sweeper_ends_what_no_thread_came_to(cast: Cast, vm: Vm, agent: RealAgent, monkeypatch) -> None:
    browser = cast.pages(cast.operator)
    begin(browser, vm)
    monkeypatch.setattr("consoles.revocation.typings_look_soon", lambda typings: None)
    membership_remove(project=cast.acme, user=cast.operator, by=cast.owner)
    agent.stop()
    typings.typings_look(Typing.objects.all())
    assert Typing.objects.exists(), "the host is away: it is looked again"
    agent.start()
    sweeper.typings_look(Typing.objects.all())
    assert not Typing.objects.exists()
    assert state_of(vm) is not TypingState.RUNNING


def test_what_has_ended_is_forgotten(cast: Cast, vm: Vm) -> None:
    browser = cast.pages(cast.operator)
    begin(browser, vm)
    seconds = (Typing.objects.get().ends_at - timezone.now()).total_seconds()
    assert 4096 / 20 < seconds < 4096 / 20 * 3
    Typing.objects.update(ends_at=timezone.now() - dt.timedelta(seconds=1))
    typings.typings_look(Typing.objects.all())
    assert not Typing.objects.exists()


def test_another_text_than_the_one_that_began_is_left(cast: Cast, vm: Vm) -> None:
    browser = cast.pages(cast.operator)
    begin(browser, vm)
    with AgentClient(vm.hypervisor) as client:
        client.typing_cancel(vm.pk)
    begin(cast.pages(cast.owner), vm)
    membership_remove(project=cast.acme, user=cast.operator, by=cast.owner)
    until(lambda: Typing.objects.count() == 1)
    assert state_of(vm) is TypingState.RUNNING


def test_a_refused_text_leaves_no_row(cast: Cast, vm: Vm) -> None:
    begin(cast.pages(cast.operator), vm)
    body = {"text": "b"}
    answer = cast.pages(cast.owner).post(f"/api/v1/vms/{vm.pk}/console/typing", body, "application/json")
    assert answer.status_code == 409
    assert Typing.objects.count() == 1
