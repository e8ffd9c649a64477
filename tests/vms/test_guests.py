"""What guests tell of themselves, kept and shown; passwords, freezing and thawing."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.guest import AddressSource, FreezeRequest, FreezeStatus, GuestAddress, GuestInfo, PasswordChange

from accounts.models import AuditEvent
from hypervisors.errors import AgentTimeout
from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.signals import host_reached
from operations.models import Operation
from tests.cast import Cast
from tests.factories import make_vm
from vms import guests
from vms.models import Vm, VmState

from .changing_host import refusal

SECRET = "correct-horse-9!"
TOLD = GuestInfo(
    has_agent=True,
    host_name="web",
    os_name="Debian GNU/Linux 12 (bookworm)",
    kernel="6.1.0",
    addresses=(
        GuestAddress(address="fe80::1", prefix=64, interface="eth0"),
        GuestAddress(address="192.0.2.7", prefix=24, mac="52:54:00:00:00:01", interface="eth0"),
    ),
)


class Guests:
    """Stands for the client of an agent."""

    def __init__(self) -> None:
        self.told: Any = TOLD
        self.asked: list[Any] = []

    def __call__(self, _hypervisor: Hypervisor, **_: Any) -> Guests:
        return self

    def __enter__(self) -> Guests:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def guest_info(self, vm_id: Any) -> GuestInfo:
        return self._answer(vm_id, self.told)

    def guest_password(self, _vm_id: Any, wanted: PasswordChange) -> None:
        self._answer(wanted, self.told)

    def guest_freeze(self, _vm_id: Any, wanted: FreezeRequest) -> FreezeStatus:
        return self._answer(wanted, FreezeStatus(is_frozen=True, filesystems=2, thaws_at=timezone.now()))

    def guest_thaw(self, _vm_id: Any) -> FreezeStatus:
        return self._answer("thaw", FreezeStatus(is_frozen=False, filesystems=2))

    def _answer(self, asked: Any, answer: Any) -> Any:
        self.asked.append(asked)
        if isinstance(self.told, Exception):
            raise self.told
        return answer


@pytest.fixture
def inside(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Guests:
    """The insides of all guests."""
    stub = Guests()
    monkeypatch.setattr(guests, "AgentClient", stub)
    return stub


def api(cast: Cast, who: str, method: str, path: str = "", body: Any = None) -> Any:
    """A request about the guest of Acme's machine."""
    send = getattr(cast.api(getattr(cast, who)), method)
    return send(f"/api/v1/vms/{cast.acme_vm.pk}/guest{path}", body, format="json")


def test_a_guest_is_asked_kept_and_shown(cast: Cast, inside: Guests) -> None:
    assert cast.api(cast.viewer).get(f"/api/v1/vms/{cast.acme_vm.pk}").json()["guest"] is None
    told = api(cast, "viewer", "get").json()["guest"]
    assert (told["host_name"], told["os_name"]) == ("web", "Debian GNU/Linux 12 (bookworm)")
    assert told["addresses"][1] == {
        "address": "192.0.2.7",
        "prefix": 24,
        "mac": "52:54:00:00:00:01",
        "interface": "eth0",
        "source": "agent",
    }
    assert cast.api(cast.viewer).get(f"/api/v1/vms/{cast.acme_vm.pk}").json()["guest"] == told
    assert cast.api(cast.viewer).get("/api/v1/vms").json()["results"][0]["guest"] == told
    client = cast.pages(cast.viewer)
    html = client.get("/").content.decode()
    assert ">192.0.2.7</code>" in html  # the one that is of use beyond its own wire
    html = client.get(f"/vms/{cast.acme_vm.pk}/").content.decode()
    assert "Debian GNU/Linux 12 (bookworm)" in html
    assert 'hx-trigger="load"' in html
    assert 'hx-trigger="load"' not in client.get(f"/vms/{cast.acme_vm.pk}/guest/").content.decode()


def test_many_who_look_ask_once(cast: Cast, inside: Guests) -> None:
    for _ in range(3):
        assert api(cast, "viewer", "get").status_code == 200
        assert cast.pages(cast.owner).get(f"/vms/{cast.acme_vm.pk}/guest/").status_code == 200
    assert len(inside.asked) == 1


def test_without_an_agent_the_host_tells(cast: Cast, inside: Guests) -> None:
    address = GuestAddress(address="198.51.100.4", prefix=0, source=AddressSource.ARP)
    inside.told = GuestInfo(has_agent=False, addresses=(address,))
    assert api(cast, "viewer", "get").json()["guest"]["addresses"][0]["source"] == "arp"
    assert "its host saw these addresses" in cast.pages(cast.viewer).get(f"/vms/{cast.acme_vm.pk}/").content.decode()


def test_what_a_guest_says_is_bounded_and_inert(cast: Cast, inside: Guests) -> None:
    evil = GuestAddress(address="<img src=x onerror=alert(1)>", prefix=24)
    many = tuple(GuestAddress(address=f"10.0.{n // 250}.{n % 250}", prefix=8) for n in range(5000))
    inside.told = GuestInfo(
        has_agent=True, host_name="<b>x\x1b[31m" + "y" * 9000, os_name="\u202eevil", addresses=(evil, *many)
    )
    assert api(cast, "viewer", "get").status_code == 200
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert len(vm.guest["host_name"]) <= 255
    assert len(vm.guest["addresses"]) <= 64
    html = cast.pages(cast.viewer).get(f"/vms/{vm.pk}/").content.decode()
    assert "<b>x" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "onerror" not in html


def test_a_guest_that_was_started_anew_is_not_what_it_was(cast: Cast, inside: Guests) -> None:
    api(cast, "viewer", "get")
    Vm.objects.update(state_since=timezone.now() + dt.timedelta(seconds=1))
    assert cast.api(cast.viewer).get(f"/api/v1/vms/{cast.acme_vm.pk}").json()["guest"] is None
    Vm.objects.update(state=VmState.OFF)
    assert api(cast, "viewer", "get").json()["guest"] is None
    assert len(inside.asked) == 1


def test_a_host_that_does_not_tell_is_no_fault_of_the_page(cast: Cast, inside: Guests) -> None:
    inside.told = AgentTimeout("hv-here does not answer in time at 127.0.0.1:1.")
    answer = cast.pages(cast.viewer).get(f"/vms/{cast.acme_vm.pk}/guest/")
    assert answer.status_code == 200
    assert str(AgentTimeout.meaning) in answer.content.decode()
    Hypervisor.objects.update(state=HypervisorState.OFFLINE)
    Vm.objects.update(guest_asked_at=None)
    assert api(cast, "viewer", "get").status_code == 503


def tick(cast: Cast) -> None:
    """What the watcher does every ten seconds."""
    host_reached.send(sender=Hypervisor, hypervisor_id=cast.hypervisor_here.pk)


def test_the_watcher_asks_a_few_at_a_time_and_nobody_twice(cast: Cast, inside: Guests) -> None:
    running = [make_vm(cast.acme, cast.hypervisor_here) for _ in range(guests.TICK_GUESTS + 3)]
    make_vm(cast.acme, cast.hypervisor_here, state=VmState.OFF)
    tick(cast)
    assert len(inside.asked) == guests.TICK_GUESTS
    tick(cast)
    assert sorted(inside.asked) == sorted([cast.acme_vm.pk, *(vm.pk for vm in running)])
    tick(cast)
    assert len(inside.asked) == len(running) + 1
    Vm.objects.filter(pk=cast.acme_vm.pk).update(guest_asked_at=timezone.now() - guests.STALE)
    tick(cast)
    assert len(inside.asked) == len(running) + 2


def test_one_that_boots_is_asked_again_soon_and_one_that_stays_silent_is_not(cast: Cast, inside: Guests) -> None:
    inside.told = GuestInfo(has_agent=False)
    tick(cast)
    Vm.objects.update(guest_asked_at=timezone.now() - guests.SILENT, state_since=timezone.now() - 2 * guests.SILENT)
    tick(cast)
    assert len(inside.asked) == 2
    Vm.objects.update(guest_asked_at=timezone.now() - guests.SILENT, state_since=timezone.now() - guests.BOOTING)
    tick(cast)
    assert len(inside.asked) == 2


def test_hung_guests_hold_nobody_up(cast: Cast, inside: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        make_vm(cast.acme, cast.hypervisor_here)
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(guests.time, "monotonic", lambda: next(clock))
    inside.told = AgentTimeout("Hung.")
    tick(cast)
    assert len(inside.asked) == 1
    tick(cast)
    assert len(set(inside.asked)) == 2


def password(account: str = "root", text: str = SECRET) -> dict[str, str]:
    """What is sent."""
    return {"account": account, "password": text}


def test_a_password_is_set_and_kept_nowhere(
    cast: Cast, inside: Guests, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with caplog.at_level(logging.DEBUG), django_capture_on_commit_callbacks(execute=True):
        assert api(cast, "operator", "put", "/password", password()).status_code == 204
        cast.pages(cast.operator).post(f"/vms/{cast.acme_vm.pk}/guest/password/", password())
    assert [(asked.user, asked.password) for asked in inside.asked] == [("root", SECRET)] * 2
    assert SECRET not in caplog.text
    event = AuditEvent.objects.filter(action="vm.guest_password").first()
    assert event is not None
    assert event.detail == {"account": "root"}
    assert SECRET not in str(list(AuditEvent.objects.values()))
    assert not Operation.objects.exists()
    assert "set a password in" in cast.pages(cast.viewer).get("/activity/").content.decode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (password("ro ot"), "account"),
        (password("'/><"), "account"),
        (password("x" * 65), "account"),
        (password(text=""), "password"),
        (password(text="a\0b"), "password"),
        (password(text="x" * 129), "password"),
    ],
)
def test_what_can_be_no_password_is_not_sent(cast: Cast, inside: Guests, body: dict[str, str], field: str) -> None:
    answer = api(cast, "operator", "put", "/password", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    cast.pages(cast.operator).post(f"/vms/{cast.acme_vm.pk}/guest/password/", body)
    assert inside.asked == []


WRITES = [("put", "/password", password()), ("post", "/freeze", {"seconds": 5}), ("post", "/thaw", None)]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_only_operators_reach_into_guests(cast: Cast, inside: Guests, method: str, path: str, body: Any) -> None:
    for who, status in {"viewer": 403, "outsider": 404, "staff_there": 404}.items():
        assert api(cast, who, method, path, body).status_code == status, who
    assert inside.asked == []
    Vm.objects.update(state=VmState.PAUSED)
    assert api(cast, "operator", method, path, body).json()["code"] == "wrong_state"
    assert inside.asked == []


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_guest_without_an_agent_says_so(cast: Cast, inside: Guests, method: str, path: str, body: Any) -> None:
    inside.told = refusal(ErrorCode.NO_GUEST_AGENT)
    answer = api(cast, "operator", method, path, body)
    assert (answer.status_code, answer.json()["agent_code"]) == (409, "no_guest_agent")
    assert not AuditEvent.objects.filter(action__startswith="vm.guest", outcome="success").exists()


def test_file_systems_stand_still_and_go_on(cast: Cast, inside: Guests) -> None:
    assert api(cast, "operator", "post", "/freeze", {"seconds": 5}).json()["is_frozen"] is True
    assert api(cast, "operator", "post", "/thaw").json()["is_frozen"] is False
    assert api(cast, "operator", "post", "/freeze", {"seconds": 61}).status_code == 400
    client, address = cast.pages(cast.operator), f"/vms/{cast.acme_vm.pk}/guest/freeze/"
    assert "2 file systems are frozen" in client.post(address, follow=True).content.decode()
    assert "go on" in client.post(address, {"thaw": "1"}, follow=True).content.decode()
    assert inside.asked == [FreezeRequest(seconds=5), "thaw", FreezeRequest(seconds=30), "thaw"]
