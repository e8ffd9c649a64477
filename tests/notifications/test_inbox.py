"""One's list, its bell, and what one wants to be told."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async

from notifications.models import HOST_KINDS, Choice, Event, Kind, Notice
from notifications.selectors import BEGINS_ON, MOST_COUNTED
from notifications.services import spreading
from notifications.words import told
from tests.cast import Cast
from tests.vms.test_live import heard, listen

from .conftest import fail_operation

KINDS = [kind for kind in Kind if kind != Kind.TEST]


def tell(cast: Cast, count: int = 1) -> None:
    for _ in range(count):
        fail_operation(cast)
    while spreading.events_spread():
        pass


def bell(pages: Any) -> str:
    return " ".join(pages.get("/notifications/bell/").content.decode().split())


def test_the_list_and_the_bell(cast: Cast) -> None:
    pages = cast.pages(cast.owner)
    assert "none unread" in bell(pages)
    tell(cast, 2)
    assert "Notifications, 2 unread" in bell(pages)
    assert "Notifications, 2 unread" in pages.get("/").content.decode()
    html = pages.get("/notifications/").content.decode()
    assert html.count("Starting acme-web failed") >= 2
    assert "The disk is full." in html
    first, second = Notice.objects.filter(user=cast.owner)
    assert pages.get(f"/notifications/{first.pk}/")["Location"] == f"/vms/{cast.acme_vm.pk}/"
    assert "1 unread" in bell(pages)
    assert pages.get("/notifications/?show=unread").content.decode().count("The disk is full.") == 1
    pages.post(f"/notifications/{first.pk}/mark/", {"is_read": "0"})
    assert "2 unread" in bell(pages)
    pages.post(f"/notifications/{second.pk}/mark/", {"is_read": "1"})
    assert "1 unread" in bell(pages)
    pages.post("/notifications/read/")
    assert "none unread" in bell(pages)
    assert "Everything is read" in pages.get("/notifications/?show=unread").content.decode()
    assert "2 unread" in bell(cast.pages(cast.viewer))


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("vm.start", "Starting Debian failed"),
        ("image.fetch", "Fetching Debian failed"),
        ("disk.delete", "Deleting Debian failed"),
        ("later.one", "A change of Debian failed"),
    ],
)
def test_what_failed_is_named(kind: str, title: str) -> None:
    event = Event(
        kind=Kind.OPERATION_FAILED, target_label="Debian", target_type="image", target_id=uuid4(), detail={"kind": kind}
    )
    assert told(event).title == title


def test_the_api(cast: Cast) -> None:
    tell(cast, 2)
    api = cast.api(cast.owner)
    rows = api.get("/api/v1/notifications").json()["results"]
    assert [(row["kind"], row["title"], row["read_at"]) for row in rows] == [
        ("operation_failed", "Starting acme-web failed", None)
    ] * 2
    assert rows[0]["url"] == f"http://127.0.0.1:8000/vms/{cast.acme_vm.pk}/"
    one = f"/api/v1/notifications/{rows[0]['id']}"
    assert cast.api(cast.viewer).patch(one, {"is_read": True}).status_code == 404
    read = api.patch(one, {"is_read": True}).json()["read_at"]
    assert api.patch(one, {"is_read": True}).json()["read_at"] == read
    assert len(api.get("/api/v1/notifications?is_read=false").json()["results"]) == 1
    assert len(api.get("/api/v1/notifications?is_read=true").json()["results"]) == 1
    assert api.get("/api/v1/notifications?kind=vm_crashed").json()["results"] == []
    assert api.post("/api/v1/notifications/read").json() == {"marked": 1}
    assert api.patch(one, {"is_read": False}).json()["read_at"] is None


def test_a_list_costs_the_same_however_long_it_is(cast: Cast, django_assert_num_queries: Any) -> None:
    api = cast.api(cast.owner)
    api.get("/api/v1/me")  # the token's first use is noted
    for count in (1, 5):
        tell(cast, count)
        with django_assert_num_queries(2):  # the token; the notices with their events
            assert api.get("/api/v1/notifications").json()["results"]


def test_the_bell_says_that_there_are_more(cast: Cast) -> None:
    tell(cast)
    event = Notice.objects.filter(user=cast.owner).get().event
    clones = []
    for _ in range(MOST_COUNTED + 5):
        event.pk = None
        event._state.adding = True
        clones.append(type(event)(**{field.attname: getattr(event, field.attname) for field in event._meta.fields[1:]}))
    type(event).objects.bulk_create(clones)
    Notice.objects.bulk_create(Notice(event=each, user=cast.owner) for each in clones)
    assert "Notifications, 99+ unread" in bell(cast.pages(cast.owner))


@pytest.mark.django_db(transaction=True)
async def test_open_pages_hear_of_it(cast: Cast) -> None:
    socket, _cookie = await listen(cast.owner)
    other, _cookie = await listen(cast.outsider)
    await database_sync_to_async(tell)(cast)
    assert {"type": "notification"} in await heard(socket)
    assert await heard(other) == []
    pages = await database_sync_to_async(cast.pages)(cast.owner)
    await database_sync_to_async(pages.post)("/notifications/read/")
    assert await heard(socket) == [{"type": "notification"}]
    await socket.disconnect()
    await other.disconnect()


# ------------------------------------------------------------------------------------------------ Choices


def matrix(api: Any, path: str = "/api/v1/notification-choices") -> dict[tuple[str, str], tuple[bool, bool | None]]:
    rows = api.get(path).json()["choices"]
    return {(row["kind"], row["way"]): (row["is_on"], row["own"]) for row in rows}


def test_everybody_begins_with_the_same(cast: Cast) -> None:
    for who, kinds in (("owner", set(KINDS) - set(HOST_KINDS)), ("staff_here", set(KINDS))):
        seen = matrix(cast.api(getattr(cast, who)))
        assert seen == {(kind, way): (way in BEGINS_ON[kind], None) for kind in kinds for way in ("page", "mail")}


def test_a_projects_choice_is_before_that_for_all(cast: Cast) -> None:
    api, of_acme = cast.api(cast.owner), f"/api/v1/projects/{cast.acme.pk}/notification-choices"
    field = {"kind": "operation_failed", "way": "page"}
    api.put("/api/v1/notification-choices", {"choices": [{**field, "is_on": False}]})
    assert matrix(api, of_acme)["operation_failed", "page"] == (False, None)
    tell(cast)
    assert Notice.objects.filter(user=cast.owner).count() == 0
    api.put(of_acme, {"choices": [{**field, "is_on": True}]})
    assert matrix(api, of_acme)["operation_failed", "page"] == (True, True)
    assert matrix(api)["operation_failed", "page"] == (False, False)
    tell(cast)
    assert Notice.objects.filter(user=cast.owner).count() == 1
    api.put(of_acme, {"choices": [{**field, "is_on": None}]})
    tell(cast)
    assert Notice.objects.filter(user=cast.owner).count() == 1
    assert Choice.objects.count() == 1


def test_choices_are_ones_own_and_of_ones_projects(cast: Cast) -> None:
    of_acme = f"/api/v1/projects/{cast.acme.pk}/notification-choices"
    for who in ("outsider", "staff_here"):
        assert cast.api(getattr(cast, who)).get(of_acme).status_code == 404
        assert cast.api(getattr(cast, who)).put(of_acme, {"choices": []}).status_code == 404
    api = cast.api(cast.owner)
    for wrong in ({"kind": "test", "way": "page"}, {"kind": "vm_crashed", "way": "pigeon"}, {"kind": "vm_crashed"}):
        assert api.put(of_acme, {"choices": [{**wrong, "is_on": True}]}).status_code == 400
    api.put(of_acme, {"choices": [{"kind": "host_away", "way": "page", "is_on": False}]})
    assert not Choice.objects.exists()


def test_the_page_of_choices(cast: Cast) -> None:
    pages = cast.pages(cast.owner)
    html = pages.get("/notifications/choices/").content.decode()
    assert "host_away" not in html
    assert html.count('type="checkbox"') == 6
    pages.post("/notifications/choices/", {"vm_crashed-page": "on", "quota_near-mail": "on", "host_away-mail": "on"})
    on = {(row.kind, row.way) for row in Choice.objects.filter(user=cast.owner, is_on=True)}
    assert on == {("vm_crashed", "page"), ("quota_near", "mail")}
    of_acme = f"/notifications/choices/?project={cast.acme.pk}"
    assert "as for all projects: no" in pages.get(of_acme).content.decode()
    pages.post(of_acme, {"vm_crashed-page": "off", "vm_crashed-mail": "on", "quota_near-page": ""})
    own = {(row.kind, row.way): row.is_on for row in Choice.objects.filter(project=cast.acme)}
    assert own == {("vm_crashed", "page"): False, ("vm_crashed", "mail"): True}
    pages.post(f"/notifications/choices/?project={cast.ottos.pk}", {})
    assert not Choice.objects.filter(project=cast.ottos).exists()


def test_without_a_mail_server_the_page_says_so(cast: Cast, settings: Any) -> None:
    assert "sends no mail" not in cast.pages(cast.owner).get("/notifications/choices/").content.decode()
    settings.SENDS_MAIL = False
    assert "sends no mail" in cast.pages(cast.owner).get("/notifications/choices/").content.decode()
