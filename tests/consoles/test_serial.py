"""The serial console: its page, its tickets, and what the host is asked for."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from eve_agent.wire.close import CloseCode
from eve_agent.wire.console import ConsoleKind as WireKind
from eve_agent.wire.console import ConsoleRequest
from eve_agent.wire.errors import ErrorCode

from accounts.models import AuditEvent
from consoles import admission, consumers
from consoles.errors import DisplayRefused
from consoles.models import ConsoleTicket
from tests.cast import Cast

from .conftest import StubLink, websocket
from .test_guests import entered, made
from .test_guests import ticket as guest_ticket
from .test_live import close_code, in_thread


@pytest.mark.parametrize(
    ("who", "status"), [("owner", 200), ("viewer", 200), ("staff_here", 200), ("outsider", 404), ("staff_there", 404)]
)
def test_the_page(cast: Cast, who: str, status: int) -> None:
    answer = cast.pages(getattr(cast, who)).get(f"/vms/{cast.acme_vm.pk}/console/serial/")
    assert answer.status_code == status
    if status == 200:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["style-src"] == "'self' 'unsafe-inline'"
        assert policy["script-src"] == "'self'"
        assert ('data-do="size"' in answer.content.decode()) is (who != "viewer")


def test_no_other_page_allows_inline_styles(cast: Cast) -> None:
    for path in ("/", f"/vms/{cast.acme_vm.pk}/", f"/vms/{cast.acme_vm.pk}/console/", "/guest/"):
        assert "unsafe" not in cast.pages(cast.owner).get(path).headers["Content-Security-Policy"]


@pytest.mark.parametrize(("who", "forced"), [("owner", True), ("operator", True), ("viewer", False)])
def test_only_who_may_type_takes_a_line_from_others(cast: Cast, who: str, forced: bool) -> None:
    body = {"kind": "serial", "force": True}
    path = f"/api/v1/vms/{cast.acme_vm.pk}/console"
    assert cast.api(getattr(cast, who)).post(path, body, format="json").status_code == 201
    ticket = ConsoleTicket.objects.get()
    assert (ticket.kind, ticket.is_forced) == ("serial", forced)
    cast.api(cast.owner).post(path, {"kind": "serial"}, format="json")
    assert not ConsoleTicket.objects.exclude(pk=ticket.pk).get().is_forced


def test_guests_see_the_screen_only(cast: Cast) -> None:
    secret, link = made(cast)
    answer = guest_ticket(entered(cast, secret, link), link, kind="serial", force=True)
    assert answer.status_code == 201
    ticket = ConsoleTicket.objects.get()
    assert (ticket.kind, ticket.is_forced) == ("vnc", False)


@pytest.mark.parametrize("force", [False, True])
async def test_the_host_is_asked_for_the_line(
    committed_cast: Cast, monkeypatch: pytest.MonkeyPatch, links: list[StubLink], force: bool
) -> None:
    cast, asked = committed_cast, list[ConsoleRequest]()

    async def open_link(_trust: Any, request: ConsoleRequest, **_: Any) -> StubLink:
        asked.append(request)
        if not request.force:
            raise DisplayRefused(ErrorCode.CONSOLE_BUSY, "Somebody else holds it.")
        return StubLink()

    monkeypatch.undo()
    monkeypatch.setattr(admission, "agent_tls", lambda _hypervisor: None)
    monkeypatch.setattr(consumers, "open_link", open_link)
    monkeypatch.setattr(consumers.warm_links().__class__, "prepare", lambda *_, **__: None)
    path = f"/api/v1/vms/{cast.acme_vm.pk}/console"
    given = await in_thread(lambda: cast.api(cast.owner).post(path, {"kind": "serial", "force": force}))()
    socket = websocket(cast.acme_vm.pk, query=given.json()["url"].partition("?")[2])
    assert (await socket.connect(timeout=5))[0]
    if not force:
        assert await close_code(socket) == CloseCode.LINE_BUSY
    with contextlib.suppress(Exception):
        await socket.disconnect(timeout=3)
    assert [(request.kind, request.force) for request in asked] == [(WireKind.SERIAL, force)]
    event = await in_thread(AuditEvent.objects.get)(action="console.open")
    assert event.detail.get("forced", False) is force
