"""Who is watching: who may know it, who has the keyboard, who may end it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone
from eve_agent.wire.console import ConsoleMode as WireMode
from eve_agent.wire.errors import ErrorCode

from accounts.models import AuditEvent, User
from consoles import control, viewers
from consoles.models import ConsoleMode, ConsoleSession
from consoles.services import session_end
from hypervisors.errors import AgentRefused, AgentTimeout, HostAway
from hypervisors.models import Hypervisor
from tests.cast import Cast
from vms.models import Vm


class StubAgent:
    """A host with consoles."""

    def __init__(self) -> None:
        self.modes: list[tuple[uuid.UUID, str]] = []
        self.failure: Exception | None = None

    def __call__(self, _hypervisor: Hypervisor) -> StubAgent:
        return self

    def __enter__(self) -> StubAgent:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def console_set_mode(self, _vm_id: uuid.UUID, session: uuid.UUID, mode: WireMode) -> None:
        if self.failure is not None:
            raise self.failure
        self.modes.append((session, mode.value))


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> StubAgent:
    stub = StubAgent()
    monkeypatch.setattr(control, "AgentClient", stub)
    return stub


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What pages are told."""
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(viewers, "publish_on_commit", lambda group, message: sent.append((group, message["message"])))
    return sent


def watching(vm: Vm, user: User, mode: str = "control", **fields: Any) -> ConsoleSession:
    return ConsoleSession.objects.create(
        vm=vm, vm_uuid=vm.pk, vm_name=vm.name, user=user, user_label=user.email, mode=mode, **fields
    )


def listed(cast: Cast, who: str) -> list[dict[str, Any]]:
    answer = cast.api(getattr(cast, who)).get(f"/api/v1/vms/{cast.acme_vm.pk}/console/viewers")
    assert answer.status_code == 200, answer.content
    return list(answer.json())


def test_everybody_who_sees_the_vm_sees_who_watches(cast: Cast) -> None:
    watching(cast.acme_vm, cast.owner)
    watching(cast.acme_vm, cast.viewer, "view")
    watching(cast.ottos_vm, cast.outsider)
    watching(cast.acme_vm, cast.operator, ended_at=timezone.now())
    watching(cast.acme_vm, cast.operator, seen_at=timezone.now() - dt.timedelta(minutes=10))
    for who in ("owner", "operator", "viewer", "staff_here", "superuser"):
        assert [(viewer["name"], viewer["mode"]) for viewer in listed(cast, who)] == [
            ("Olivia Owner", "control"),
            ("Vera Viewer", "view"),
        ]
    for who in ("outsider", "staff_there"):
        path = f"/api/v1/vms/{cast.acme_vm.pk}/console/viewers"
        assert cast.api(getattr(cast, who)).get(path).status_code == 404


def test_what_may_be_done_with_whom(cast: Cast) -> None:
    for user, mode in ((cast.owner, "control"), (cast.operator, "view"), (cast.viewer, "view")):
        watching(cast.acme_vm, user, mode)

    def may(who: str) -> dict[str, str]:
        rights = {"end": "may_end", "give": "may_get_control", "take": "may_lose_control"}
        return {
            viewer["name"].split()[0]: " ".join(name for name, field in rights.items() if viewer[field])
            for viewer in listed(cast, who)
        }

    assert may("owner") == {"Olivia": "end", "Oscar": "end give", "Vera": "end"}
    assert may("operator") == {"Olivia": "end take", "Oscar": "end give", "Vera": "end"}
    assert may("staff_here") == {"Olivia": "end take", "Oscar": "end give", "Vera": "end"}
    assert may("viewer") == {"Olivia": "", "Oscar": "", "Vera": "end"}


def test_the_number_of_queries_does_not_grow(cast: Cast, django_assert_max_num_queries: Any) -> None:
    for number in range(12):
        watching(cast.acme_vm, cast.operator if number % 2 else cast.viewer, "view")
    with django_assert_max_num_queries(7):
        assert len(viewers.viewers_of(cast.owner, cast.acme_vm)) == 12


def test_control_is_handed_over(cast: Cast, agent: StubAgent, told: list[Any]) -> None:
    owners, operators = watching(cast.acme_vm, cast.owner), watching(cast.acme_vm, cast.operator, "view")
    elsewhere = watching(cast.ottos_vm, cast.outsider)
    answer = cast.api(cast.owner).post(f"/api/v1/consoles/{operators.pk}/hand-over")
    assert (answer.status_code, answer.json()["mode"]) == (200, "control")
    assert agent.modes == [(operators.pk, "control"), (owners.pk, "view")]
    modes = dict(ConsoleSession.objects.values_list("pk", "mode"))
    assert modes == {owners.pk: "view", operators.pk: "control", elsewhere.pk: "control"}
    events = AuditEvent.objects.filter(action="console.mode").order_by("id")
    assert sorted((event.detail["viewer"], event.detail["mode"]) for event in events) == [
        (cast.owner.email, "view"),
        (cast.operator.email, "control"),
    ]
    assert {group.partition(".")[2].partition(".")[0] for group, _ in told} == {"project", "site"}
    assert {message["id"] for _, message in told} == {str(cast.acme_vm.pk)}


@pytest.mark.parametrize(
    ("who", "whose", "mode", "status"),
    [
        ("owner", "operator", "view", 200),
        ("staff_here", "owner", "view", 200),
        ("viewer", "owner", "view", 403),
        ("viewer", "viewer", "control", 403),
        ("viewer", "viewer", "view", 200),
        ("owner", "viewer", "control", 403),
        ("outsider", "owner", "view", 404),
        ("staff_there", "owner", "view", 404),
    ],
)
def test_who_may_give_and_take_the_keyboard(
    cast: Cast, agent: StubAgent, who: str, whose: str, mode: str, status: int
) -> None:
    before = "view" if mode == "control" or whose == "viewer" else "control"
    session = watching(cast.acme_vm, getattr(cast, whose), before)
    answer = cast.api(getattr(cast, who)).patch(f"/api/v1/consoles/{session.pk}", {"mode": mode}, format="json")
    assert answer.status_code == status, answer.content
    session.refresh_from_db()
    assert session.mode == (mode if status == 200 else before)
    assert agent.modes == ([(session.pk, mode)] if status == 200 and mode != before else [])


def test_a_session_does_no_more_than_its_record_allows(cast: Cast, agent: StubAgent) -> None:
    session = watching(cast.acme_vm, cast.operator, "view")
    client = cast.api(cast.owner)

    def give() -> tuple[int, str]:
        answer = client.patch(f"/api/v1/consoles/{session.pk}", {"mode": "control"}, format="json")
        session.refresh_from_db()
        return answer.status_code, session.mode

    agent.failure = AgentRefused("no such console", agent_code=ErrorCode.CONSOLE_NOT_FOUND)
    assert give() == (409, "view")
    agent.failure = AgentTimeout("it may have happened")
    assert give() == (504, "control")
    agent.failure = HostAway("it may not have happened")
    answer = client.patch(f"/api/v1/consoles/{session.pk}", {"mode": "view"}, format="json")
    session.refresh_from_db()
    assert (answer.status_code, session.mode) == (503, "control")
    session_end(session_id=session.pk, code=1000)
    agent.failure = None
    assert client.patch(f"/api/v1/consoles/{session.pk}", {"mode": "view"}, format="json").status_code == 409
    assert not AuditEvent.objects.filter(action="console.mode").exists()


def test_the_vms_page(cast: Cast) -> None:
    mine, theirs = watching(cast.acme_vm, cast.viewer, "view"), watching(cast.acme_vm, cast.owner)
    part = f"/vms/{cast.acme_vm.pk}/viewers/"
    text = cast.pages(cast.viewer).get(part).content.decode()
    assert "Olivia Owner" in text
    assert str(mine.pk) in text
    assert str(theirs.pk) not in text, "nothing to end it by"
    assert part in cast.pages(cast.viewer).get(f"/vms/{cast.acme_vm.pk}/").content.decode()


@pytest.mark.parametrize(
    ("who", "expected"),
    [("owner", True), ("operator", True), ("viewer", False), ("staff_here", True), ("outsider", None)],
)
def test_ending_from_a_page(
    cast: Cast, who: str, expected: bool | None, django_capture_on_commit_callbacks: Any
) -> None:
    session = watching(cast.acme_vm, cast.owner)
    with django_capture_on_commit_callbacks():
        answer = cast.pages(getattr(cast, who)).post(f"/vms/{cast.acme_vm.pk}/viewers/{session.pk}/end/")
    assert answer.status_code == (404 if expected is None else 302)
    assert AuditEvent.objects.filter(action="console.cut").exists() is bool(expected)


def test_staff_see_the_consoles_of_their_sites(cast: Cast) -> None:
    watching(cast.acme_vm, cast.owner)
    watching(cast.ottos_vm, cast.outsider, "view")
    page = "/manage/consoles/"
    seen = {
        "staff_here": {"acme-web"},
        "staff_there": {"otto-mail"},
        "staff_everywhere": {"acme-web", "otto-mail"},
        "superuser": {"acme-web", "otto-mail"},
    }
    for who, names in seen.items():
        text = cast.pages(getattr(cast, who)).get(page).content.decode()
        assert {name for name in ("acme-web", "otto-mail") if name in text} == names, who
    assert cast.pages(cast.owner).get(page).status_code == 404
    assert cast.pages().get(page).status_code == 302
    found = cast.pages(cast.superuser).get(page, {"q": "olivia", "part": "1"}).content.decode()
    assert "acme-web" in found
    assert "otto-mail" not in found
    assert "fits this search" in cast.pages(cast.superuser).get(page, {"q": "nobody"}).content.decode()
    ConsoleSession.objects.all().delete()
    assert "Nobody is watching" in cast.pages(cast.superuser).get(page).content.decode()


def test_the_managed_list_takes_as_many_queries_for_many(cast: Cast, django_assert_num_queries: Any) -> None:
    for _ in range(20):
        watching(cast.acme_vm, cast.owner)
    with django_assert_num_queries(1):
        for session in viewers.sessions_managed_by(cast.superuser):
            assert session.user.name
            assert session.vm.project.name
            assert session.vm.hypervisor.site.name


def test_pages_are_told_of_the_end(cast: Cast, told: list[Any]) -> None:
    session = watching(cast.acme_vm, cast.owner)
    session_end(session_id=session.pk, code=1000)
    assert [message for _, message in told] == [{"type": "viewers", "id": str(cast.acme_vm.pk)}] * 2
    assert ConsoleMode(session.mode) is ConsoleMode.CONTROL


def test_an_end_is_one_short_visit_to_the_database(cast: Cast, django_assert_num_queries: Any) -> None:
    session = watching(cast.acme_vm, cast.owner)
    with django_assert_num_queries(5):  # a savepoint here, elsewhere a transaction; update, look, audit
        assert session_end(session_id=session.pk, code=1000, moved=(7, 5))
    event = AuditEvent.objects.get(action="console.close")
    assert (event.actor, event.project, event.target_label) == (cast.owner, cast.acme_vm.project, cast.acme_vm.name)
    assert event.site_uuid == cast.acme_vm.hypervisor.site_id
    assert (event.detail["bytes_to_viewer"], event.detail["bytes_from_viewer"]) == (7, 5)


def test_an_end_that_cannot_be_audited_is_not_written_either(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    session = watching(cast.acme_vm, cast.owner)
    with monkeypatch.context() as broken:
        broken.setattr(AuditEvent, "save", _no_room)
        with pytest.raises(DatabaseError):
            session_end(session_id=session.pk, code=1000)
    session.refresh_from_db()
    assert session.ended_at is None
    assert session_end(session_id=session.pk, code=1000)


def _no_room(_event: AuditEvent) -> None:
    raise DatabaseError("disk full")
