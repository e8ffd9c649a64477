"""Guest links: who may make them, whom they let in, what ends them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_thread
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from django.utils import timezone
from eve_agent.wire.close import CloseCode

from accounts.models import AuditEvent, Role
from accounts.services import membership_remove, membership_set, password_set, user_disable
from common.publish import bind_server_loop
from common.secrets import digest_of
from consoles import links as links_module
from consoles.links import link_create, link_revoke
from consoles.models import ConsoleMode, ConsoleSession, ConsoleTicket, GuestLink
from consoles.selectors import link_lives
from tests.cast import Cast
from tests.factories import PASSWORD
from vms.services import vm_move

from .conftest import GOOD_ORIGIN, StubLink, websocket
from .test_live import close_code


def made(cast: Cast, mode: ConsoleMode = ConsoleMode.VIEW, **fields: Any) -> tuple[str, GuestLink]:
    return link_create(vm=cast.acme_vm, user=fields.pop("user", cast.operator), mode=mode, **fields)


def entered(cast: Cast, secret: str, link: GuestLink, name: str = "Zoë of the supplier") -> Client:
    client = Client()
    answer = client.post("/guest/", {"secret": secret, "name": name})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/guest/{link.pk}/")
    return client


def ticket(client: Client, link: GuestLink, **body: Any) -> Any:
    return client.post(f"/guest/{link.pk}/ticket", body, content_type="application/json")


@contextlib.asynccontextmanager
async def visiting(
    cast: Cast, *, left: dt.timedelta = dt.timedelta(days=1)
) -> AsyncIterator[tuple[WebsocketCommunicator, GuestLink, Client]]:
    """A guest at the screen, whose link is good for as long as is `left`."""
    bind_server_loop(asyncio.get_running_loop())
    secret, link = await in_thread(made)(cast)
    link.expires_at = timezone.now() + left
    await in_thread(link.save)()
    client = await in_thread(entered)(cast, secret, link)
    given = (await in_thread(ticket)(client, link)).json()
    socket = websocket(
        cast.acme_vm.pk,
        query=given["url"].partition("?")[2],
        origin=GOOD_ORIGIN,
        cookie=client.session.session_key,
    )
    assert (await socket.connect(timeout=5))[0]
    await asyncio.sleep(0.05)
    try:
        yield socket, link, client
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await socket.disconnect(timeout=3)


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("owner", 201),
        ("operator", 201),
        ("viewer", 403),
        ("outsider", 404),
        ("staff_here", 201),
        ("staff_there", 404),
        ("superuser", 201),
    ],
)
def test_who_may_make_list_and_revoke(cast: Cast, who: str, status: int) -> None:
    client, user = cast.api(getattr(cast, who)), getattr(cast, who)
    path = f"/api/v1/vms/{cast.acme_vm.pk}/guest-links"
    _secret, theirs = made(cast)
    answer = client.post(path, {"label": "a colleague", "mode": "control", "ttl_seconds": 3600}, format="json")
    assert answer.status_code == status, answer.content
    assert client.get(path).status_code == (200 if status == 201 else status)
    assert client.delete(f"/api/v1/guest-links/{theirs.pk}").status_code == (204 if status == 201 else status)
    theirs.refresh_from_db()
    assert (theirs.revoked_by == user) is (status == 201)
    page = cast.pages(user).get(f"/vms/{cast.acme_vm.pk}/links/").status_code
    assert page == (200 if status == 201 else 404)


def test_the_address_is_told_once_and_only_its_digest_is_kept(cast: Cast) -> None:
    client = cast.api(cast.owner)
    path = f"/api/v1/vms/{cast.acme_vm.pk}/guest-links"
    answer = client.post(path, {"label": "Zoë"}, format="json")
    address, _, secret = answer.json()["url"].partition("#")
    assert address.endswith("/guest/")
    assert len(secret) == 43
    assert answer.headers["Cache-Control"] == "no-store"
    assert GuestLink.objects.get().digest == digest_of(secret)
    everything = [*GuestLink.objects.values(), *AuditEvent.objects.values()]
    assert secret not in str(everything) + client.get(path).content.decode()
    assert answer.json()["mode"] == "view"


def test_the_page(cast: Cast) -> None:
    client = cast.pages(cast.operator)
    path = f"/vms/{cast.acme_vm.pk}/links/"
    text = client.post(path, {"label": "Zoë", "mode": "control", "ttl": "3600"}).content.decode()
    link = GuestLink.objects.get()
    assert (link.label, link.mode) == ("Zoë", "control")
    assert link.expires_at - timezone.now() < dt.timedelta(hours=1, seconds=1)
    assert "/guest/#" in text
    assert "/guest/#" not in client.get(path).content.decode()
    assert client.post(f"{path}{link.pk}/end/").status_code == 302
    link.refresh_from_db()
    assert link.revoked_by == cast.operator
    client.post(path, {"mode": "everything", "ttl": "999999999"})
    newest = GuestLink.objects.first()
    assert newest.mode == "view"
    assert newest.expires_at < timezone.now() + dt.timedelta(days=1, seconds=1)


def test_not_too_many(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_module, "MAX_LIVING", 2)
    client, path = cast.api(cast.owner), f"/api/v1/vms/{cast.acme_vm.pk}/guest-links"
    assert [client.post(path, {}, format="json").status_code for _ in range(3)] == [201, 201, 429]
    GuestLink.objects.update(expires_at=timezone.now())
    assert client.post(path, {}, format="json").status_code == 201


def test_a_visitor_gives_a_name_and_sees_the_screen_and_nothing_else(cast: Cast) -> None:
    secret, link = made(cast)
    assert Client().get("/guest/").headers["Referrer-Policy"] == "same-origin"
    client = entered(cast, secret, link, "  Zoë \u202e of the\nsupplier ")
    page = client.get(f"/guest/{link.pk}/")
    assert page.status_code == 200
    text = page.content.decode()
    assert "Guest: Zoë of the supplier" in text
    for hidden in ("/api/v1/", "/ws/live", f"/vms/{cast.acme_vm.pk}", "data-power", 'id="type-text"', "viewers-menu"):
        assert hidden not in text, hidden
    assert client.get(f"/guest/{link.pk}/state").json() == {"state": cast.acme_vm.state}
    for path in ("/", "/vms/", f"/vms/{cast.acme_vm.pk}/", f"/vms/{cast.acme_vm.pk}/console/"):
        assert client.get(path).status_code == 302
    assert client.get(f"/api/v1/vms/{cast.acme_vm.pk}").status_code == 401
    assert client.post(f"/api/v1/vms/{cast.acme_vm.pk}/console").status_code == 401
    event = AuditEvent.objects.get(action="guest_link.enter")
    assert (event.actor, event.actor_label) == (None, "guest: Zoë of the supplier")
    link.refresh_from_db()
    assert link.uses == 1
    assert link.last_used_at is not None


@pytest.mark.parametrize("body", ["", "{", "[" * 1000, '{"mode": "all"}'], ids=["none", "half", "deep", "odd"])
def test_a_request_for_a_ticket_that_makes_no_sense(cast: Cast, body: str) -> None:
    secret, link = made(cast)
    answer = entered(cast, secret, link).post(f"/guest/{link.pk}/ticket", body, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize("secret", ["", "x", "x" * 43, "x" * 500, "\0"])
def test_no_link(cast: Cast, secret: str) -> None:
    made(cast)
    answer = Client().post("/guest/", {"secret": secret, "name": "Mallory"})
    assert answer.status_code == 400
    assert "opens nothing" in answer.content.decode()


@pytest.mark.parametrize("name", ["", "   ", "\u200b\u202e"])
def test_a_guest_has_a_name(cast: Cast, name: str) -> None:
    secret, _link = made(cast)
    answer = Client().post("/guest/", {"secret": secret, "name": name})
    assert answer.status_code == 400
    assert "Say who you are" in answer.content.decode()
    assert not AuditEvent.objects.filter(action="guest_link.enter").exists()


@pytest.mark.parametrize(
    "ending",
    [
        lambda cast, link: link_revoke(link=link, user=cast.owner),
        lambda cast, link: GuestLink.objects.filter(pk=link.pk).update(expires_at=timezone.now()),
        lambda cast, link: user_disable(user=cast.operator, by=cast.superuser),
        lambda cast, link: membership_set(user=cast.operator, project=cast.acme, role=Role.VIEWER, by=cast.owner),
        lambda cast, link: membership_remove(user=cast.operator, project=cast.acme, by=cast.owner),
        lambda cast, link: GuestLink.objects.filter(pk=link.pk).update(created_by=None),
        lambda cast, link: type(cast.acme).objects.filter(pk=cast.acme.pk).update(is_active=False),
        lambda cast, link: vm_move(vm=cast.acme_vm, project=cast.ottos, user=cast.superuser),
    ],
    ids=["revoked", "expired", "disabled", "demoted", "out", "deleted", "project", "moved"],
)
def test_what_ends_it(cast: Cast, ending: Callable[[Cast, GuestLink], object]) -> None:
    secret, link = made(cast)
    client = entered(cast, secret, link)
    assert ticket(client, link).status_code == 201
    ending(cast, link)
    assert not link_lives(GuestLink.objects.select_related("vm__project", "created_by").get(pk=link.pk))
    assert ticket(client, link).status_code == 404
    assert client.get(f"/guest/{link.pk}/").status_code == 404
    assert client.get(f"/guest/{link.pk}/state").status_code == 404
    assert Client().post("/guest/", {"secret": secret, "name": "Zoë"}).status_code == 400


def test_one_visitors_session_is_not_anothers(cast: Cast) -> None:
    secret, link = made(cast)
    _other_secret, other = made(cast)
    client = entered(cast, secret, link)
    assert ticket(client, other).status_code == 404
    assert ticket(Client(), link).status_code == 404
    assert ticket(cast.pages(cast.owner), link).status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert ticket(strict, link).status_code == 403


def test_a_session_that_was_known_to_others_is_not_the_guests(cast: Cast) -> None:
    secret, link = made(cast)
    others_secret, others = made(cast)
    planted = entered(cast, others_secret, others)
    known = planted.session.session_key
    assert planted.post("/guest/", {"secret": secret, "name": "Zoë"}).status_code == 302
    assert ticket(planted, link).status_code == 201
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = known
    assert ticket(thief, link).status_code == 404


def test_who_is_signed_in_stays_so_as_a_guest(cast: Cast) -> None:
    secret, link = made(cast)
    browser = cast.pages(cast.outsider)
    key = browser.session.session_key
    assert browser.post("/guest/", {"secret": secret, "name": "Otto"}).status_code == 302
    assert browser.session.session_key == key
    assert ticket(browser, link).status_code == 201


@pytest.mark.parametrize(("mode", "wanted", "given"), [("view", "control", "view"), ("control", "control", "control")])
def test_a_tickets_mode_is_the_links_at_most(cast: Cast, mode: str, wanted: str, given: str) -> None:
    secret, link = made(cast, ConsoleMode(mode))
    answer = ticket(entered(cast, secret, link), link, mode=wanted)
    assert answer.json()["mode"] == given
    kept = ConsoleTicket.objects.get()
    assert (kept.user, kept.link, kept.mode) == (None, link, given)


def test_guests_keep_nobody_out(cast: Cast) -> None:
    secret, link = made(cast)
    client = entered(cast, secret, link)
    for _ in range(5):
        ConsoleSession.objects.create(
            vm=cast.acme_vm, vm_uuid=cast.acme_vm.pk, vm_name="acme-web", user_label="Zoë", link=link
        )
    assert ticket(client, link).status_code == 429
    assert cast.api(cast.owner).post(f"/api/v1/vms/{cast.acme_vm.pk}/console").status_code == 201


async def test_a_guest_watches_and_is_named(committed_cast: Cast, links: list[StubLink]) -> None:
    cast = committed_cast
    async with visiting(cast) as (socket, link, client):
        links[0].show(b"RFB 003.008\n")
        assert await socket.receive_from(timeout=5) == b"RFB 003.008\n"
        session = await in_thread(ConsoleSession.objects.get)()
        assert (session.user_id, session.link_id, session.user_label) == (None, link.pk, "Zoë of the supplier")
        assert session.mode == "view"
        path = f"/api/v1/vms/{cast.acme_vm.pk}/console/viewers"
        (viewer,) = (await in_thread(lambda: cast.api(cast.owner).get(path))()).json()
        assert (viewer["name"], viewer["is_guest"], viewer["may_end"]) == ("Zoë of the supplier", True, True)
        assert not viewer["may_get_control"], "the link is for looking"
        told = (await in_thread(client.get)(f"/guest/{link.pk}/sessions/{session.pk}")).json()
        assert (told["state"], told["mode"]) == ("open", "view")
        assert (await in_thread(Client().get)(f"/guest/{link.pk}/sessions/{session.pk}")).status_code == 404
    opened = await in_thread(AuditEvent.objects.get)(action="console.open")
    closed = await in_thread(AuditEvent.objects.get)(action="console.close")
    assert opened.actor_label == closed.actor_label == "guest: Zoë of the supplier"


@pytest.mark.parametrize("cookie", ["", "x" * 32])
async def test_a_guests_ticket_needs_the_visitors_session(
    committed_cast: Cast, links: list[StubLink], cookie: str
) -> None:
    secret, link = await in_thread(made)(committed_cast)
    client = await in_thread(entered)(committed_cast, secret, link)
    given = (await in_thread(ticket)(client, link)).json()
    socket = websocket(
        committed_cast.acme_vm.pk, query=given["url"].partition("?")[2], origin=GOOD_ORIGIN, cookie=cookie
    )
    assert not (await socket.connect(timeout=5))[0]
    assert links == []


@pytest.mark.parametrize(
    "ending",
    [
        lambda cast, link: link_revoke(link=link, user=cast.owner),
        lambda cast, link: user_disable(user=cast.operator, by=cast.superuser),
        lambda cast, link: membership_remove(user=cast.operator, project=cast.acme, by=cast.owner),
        lambda cast, link: vm_move(vm=cast.acme_vm, project=cast.ottos, user=cast.superuser),
    ],
    ids=["revoked", "disabled", "out", "moved"],
)
async def test_an_open_screen_ends_with_its_link(
    committed_cast: Cast, links: list[StubLink], ending: Callable[[Cast, GuestLink], object]
) -> None:
    async with visiting(committed_cast) as (socket, link, _client):
        await in_thread(ending)(committed_cast, link)
        assert await close_code(socket) == CloseCode.ACCESS_ENDED


async def test_an_open_screen_ends_when_the_link_expires(committed_cast: Cast, links: list[StubLink]) -> None:
    async with visiting(committed_cast, left=dt.timedelta(seconds=3)) as (socket, link, _client):
        assert await close_code(socket, timeout=8) == CloseCode.ACCESS_ENDED
        assert timezone.now() - link.expires_at < dt.timedelta(seconds=5)


async def test_a_makers_new_password_ends_no_guests(committed_cast: Cast, links: list[StubLink]) -> None:
    cast = committed_cast
    async with visiting(cast) as (socket, _link, _client):
        await in_thread(password_set)(user=cast.operator, password=PASSWORD + " new", by=None)
        assert await socket.receive_nothing(timeout=0.5)
