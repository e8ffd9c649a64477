"""Typing by the host: who may, what is refused, what is written down."""

from __future__ import annotations

from typing import Any

import pytest
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.keyboard import KeyboardLayout
from eve_agent.wire.typing import TextToType, TypingState, TypingStatus

from accounts.models import AuditEvent
from consoles import keyboard
from hypervisors.errors import AgentRefused
from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.refusals import refusal_words
from tests.cast import Cast
from vms.models import Vm, VmState

CANARY = "canary-4b1f"


class StubAgent:
    """A host that types."""

    def __init__(self) -> None:
        self.asked: list[TextToType] = []
        self.refusal: AgentRefused | None = None
        self.status = TypingStatus(state=TypingState.RUNNING, typed=1, total=9)

    def __call__(self, _hypervisor: Hypervisor) -> StubAgent:
        return self

    def __enter__(self) -> StubAgent:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def typing_begin(self, _vm_id: Any, wanted: TextToType) -> TypingStatus:
        self.asked.append(wanted)
        return self._answer()

    def typing_status(self, _vm_id: Any) -> TypingStatus:
        return self._answer()

    def typing_cancel(self, _vm_id: Any) -> TypingStatus:
        return self._answer()

    def _answer(self) -> TypingStatus:
        if self.refusal is not None:
            raise self.refusal
        return self.status


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, cast: Cast) -> StubAgent:
    stub = StubAgent()
    monkeypatch.setattr(keyboard, "AgentClient", stub)
    Hypervisor.objects.update(state=HypervisorState.ONLINE)
    Vm.objects.update(state=VmState.RUNNING)
    return stub


def address(cast: Cast) -> str:
    return f"/api/v1/vms/{cast.acme_vm.pk}/console/typing"


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("owner", 202),
        ("operator", 202),
        ("viewer", 403),
        ("outsider", 404),
        ("staff_here", 202),
        ("staff_there", 404),
        ("staff_everywhere", 202),
        ("superuser", 202),
    ],
)
def test_who_may(cast: Cast, agent: StubAgent, who: str, expected: int):
    client = cast.api(getattr(cast, who))
    assert client.post(address(cast), {"text": "ls\n"}, format="json").status_code == expected
    others = 200 if expected == 202 else expected
    assert client.get(address(cast)).status_code == client.delete(address(cast)).status_code == others
    assert len(agent.asked) == (expected == 202)


def test_how_much_is_written_down_and_never_what(
    cast: Cast, agent: StubAgent, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    answer = cast.api(cast.owner).post(address(cast), {"text": CANARY, "layout": "de"}, format="json")
    assert answer.json() == {"state": "running", "typed": 1, "total": 9, "problem": ""}
    assert (agent.asked[0].text, agent.asked[0].layout) == (CANARY, KeyboardLayout.DE)
    event = AuditEvent.objects.get(action="console.type")
    assert (event.actor, event.target_id) == (cast.owner, str(cast.acme_vm.pk))
    assert event.detail == {"characters": len(CANARY), "layout": "de"}
    written = capsys.readouterr()
    assert CANARY not in caplog.text + written.out + written.err + answer.content.decode()
    assert CANARY not in str(list(AuditEvent.objects.values()))


def test_a_viewers_try_is_written_down(cast: Cast, agent: StubAgent):
    cast.api(cast.viewer).post(address(cast), {"text": CANARY}, format="json")
    assert AuditEvent.objects.get(action="console.type").outcome == "denied"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": ""}, 400, "invalid"),
        ({}, 400, "invalid"),
        ({"text": "a" * 4097}, 400, "invalid"),
        ({"text": "ls", "layout": "dvorak"}, 400, "invalid"),
        ({"text": "ls", "keys_per_second": 1000}, 400, "invalid"),
        ({"text": "ï🙂", "layout": "us"}, 400, "characters_missing"),
        ({"text": "\x1b[2J"}, 400, "characters_missing"),
    ],
)
def test_what_cannot_be_typed_is_refused_before_the_first_key(
    cast: Cast, agent: StubAgent, body: dict[str, Any], status: int, code: str
):
    answer = cast.api(cast.owner).post(address(cast), body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert agent.asked == []


def test_what_is_missing_is_named(cast: Cast, agent: StubAgent):
    answer = cast.api(cast.owner).post(address(cast), {"text": "naïve\x1b"}, format="json")
    assert "ï U+001B" in answer.json()["detail"]


def test_text_is_made_fit_for_keys(cast: Cast, agent: StubAgent):
    cast.api(cast.owner).post(address(cast), {"text": "a\r\nb\u00a0e\u0301", "layout": "de"}, format="json")
    assert agent.asked[0].text == "a\nb é"


def test_nobody_would_get_the_keys(cast: Cast, agent: StubAgent):
    Vm.objects.update(state=VmState.OFF)
    answer = cast.api(cast.owner).post(address(cast), {"text": "ls"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    Hypervisor.objects.update(state=HypervisorState.OFFLINE)
    answer = cast.api(cast.owner).post(address(cast), {"text": "ls"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (503, "host_away")
    assert agent.asked == []


@pytest.mark.parametrize(
    ("refused_with", "code"),
    [
        (ErrorCode.NOT_FOUND, "agent_too_old"),
        (ErrorCode.TYPING_BUSY, "typing_busy"),
        (ErrorCode.DOMAIN_OFF, "agent_refused"),
    ],
)
def test_the_host_refuses(cast: Cast, agent: StubAgent, refused_with: ErrorCode, code: str):
    agent.refusal = AgentRefused("no", agent_code=refused_with)
    client = cast.api(cast.owner)
    for answer in (
        client.post(address(cast), {"text": "ls"}, format="json"),
        client.get(address(cast)),
        client.delete(address(cast)),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert not AuditEvent.objects.filter(action__startswith="console.type").exists()


def test_why_the_host_stopped_is_said_in_eves_words(cast: Cast, agent: StubAgent):
    agent.status = TypingStatus(
        state=TypingState.FAILED, typed=3, total=9, problem=Problem(ErrorCode.DOMAIN_OFF, "it is\u202e\noff")
    )
    assert cast.api(cast.owner).get(address(cast)).json()["problem"] == str(refusal_words(ErrorCode.DOMAIN_OFF))


def test_keyboards(cast: Cast):
    client = cast.api(cast.viewer)
    answer = client.get("/api/v1/keyboard", {"layout": "fr"})
    assert answer.json()["keys"]["A"] == [["ShiftLeft", "KeyQ"]]
    assert answer.json()["keys"]["ê"] == [["BracketLeft"], ["KeyE"]]
    assert "private" in answer.headers["Cache-Control"]
    assert client.get("/api/v1/keyboard", {"layout": "dvorak"}).status_code == 400
    assert cast.api().get("/api/v1/keyboard").status_code == 401
