"""Webhooks: who may have them, what they may be, and that their secret is seen once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from accounts.models import AuditEvent, Membership, Role
from accounts.services import membership_set
from notifications.models import Delivery, Kind, Webhook
from notifications.services.webhooks import MOST_WEBHOOKS
from tests.cast import Cast

WANTED = {"name": "chat", "url": "https://example.org/in?token=canary", "kinds": ["vm_crashed", "quota_near"]}


def make(cast: Cast, who: str = "owner", **changes: Any) -> Any:
    return cast.api(getattr(cast, who)).post(f"/api/v1/projects/{cast.acme.pk}/webhooks", {**WANTED, **changes})


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("owner", 201),
        ("operator", 403),
        ("viewer", 403),
        ("outsider", 404),
        ("staff_here", 404),
        ("staff_there", 404),
        ("staff_everywhere", 201),
        ("superuser", 201),
    ],
)
def test_who_makes_a_projects_webhooks(cast: Cast, who: str, status: int) -> None:
    answer = make(cast, who)
    assert answer.status_code == status
    assert Webhook.objects.count() == (status == 201)
    webhook = Webhook.objects.create(project=cast.acme, made_by=cast.owner, name="old", url="https://example.org")
    api = cast.api(getattr(cast, who))
    one = f"/api/v1/webhooks/{webhook.pk}"
    seen = 200 if status == 201 else 404
    assert api.get(one).status_code == seen
    assert api.get(f"{one}/deliveries").status_code == seen
    assert api.patch(one, {"name": "new"}).status_code == seen
    assert api.post(f"{one}/test").status_code == (202 if status == 201 else 404)
    assert api.post(f"{one}/secret").status_code == (201 if status == 201 else 404)
    assert api.get(f"/api/v1/projects/{cast.acme.pk}/webhooks").status_code == (200 if status == 201 else status)
    assert api.delete(one).status_code == (204 if status == 201 else 404)


@pytest.mark.parametrize("part", ["owner", "operator", "staff_here", "superuser"])
def test_own_webhooks_are_staffs_and_of_hosts(cast: Cast, part: str) -> None:
    user = getattr(cast, part)
    api = cast.api(user)
    answer = api.post("/api/v1/webhooks", {**WANTED, "kinds": ["host_away"]})
    assert answer.status_code == (201 if user.is_staff else 404)
    assert api.get("/api/v1/webhooks").status_code == (200 if user.is_staff else 404)
    if user.is_staff:
        assert api.post("/api/v1/webhooks", WANTED).status_code == 400
        for other in (cast.staff_there, cast.staff_everywhere, cast.owner):
            assert cast.api(other).get(f"/api/v1/webhooks/{answer.json()['id']}").status_code == 404
        type(user).objects.filter(pk=user.pk).update(is_staff=False, is_superuser=False)
        assert cast.api(user).get(f"/api/v1/webhooks/{answer.json()['id']}").status_code == 404


def test_the_secret_is_told_once(cast: Cast) -> None:
    answer = make(cast)
    secret = answer.json()["secret"]
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert answer["Cache-Control"] == "no-store"
    api, one = cast.api(cast.owner), f"/api/v1/webhooks/{answer.json()['id']}"
    renewed = api.post(f"{one}/secret")
    assert (renewed.status_code, renewed["Cache-Control"]) == (201, "no-store")
    for text in (secret, renewed.json()["secret"]):
        assert text not in str(list(Webhook.objects.values()))
        assert text not in str(list(AuditEvent.objects.values()))
        assert text not in api.get(one).content.decode()
        assert text not in cast.pages(cast.owner).get(f"/webhooks/{answer.json()['id']}/").content.decode()
    assert "canary" not in str(list(AuditEvent.objects.values()))
    assert secret != renewed.json()["secret"]
    actions = set(AuditEvent.objects.filter(action__startswith="webhook").values_list("action", flat=True))
    assert actions == {"webhook.create", "webhook.secret"}


def test_who_renews_the_secret_answers_for_it(cast: Cast) -> None:
    membership_set(project=cast.acme, user=cast.operator, role=Role.OWNER, by=cast.owner)
    one = f"/api/v1/webhooks/{make(cast).json()['id']}"
    Membership.objects.filter(project=cast.acme, user=cast.owner).delete()
    api = cast.api(cast.operator)
    assert api.get(one).json()["is_answered_for"] is False
    api.post(f"{one}/secret")
    assert api.get(one).json()["is_answered_for"] is True
    assert api.get(one).json()["made_by"] == cast.operator.email


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://example.org/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://u:p@example.org/"},
        {"url": "javascript:alert(1)"},
        {"kinds": []},
        {"kinds": ["host_away"]},
        {"kinds": ["vm_crashed", "certificate_ends"]},
        {"kinds": ["test"]},
        {"kinds": "vm_crashed"},
        {"name": " \u202e\n "},
    ],
)
def test_what_cannot_be(cast: Cast, changes: dict[str, Any]) -> None:
    assert make(cast, **changes).status_code == 400
    webhook_id = make(cast).json()["id"]
    before = list(Webhook.objects.values())
    assert cast.api(cast.owner).patch(f"/api/v1/webhooks/{webhook_id}", changes).status_code == 400
    assert list(Webhook.objects.values()) == before


def test_a_project_has_so_many_and_no_more(cast: Cast) -> None:
    statuses = [make(cast).status_code for _ in range(MOST_WEBHOOKS + 1)]
    assert statuses == [201] * MOST_WEBHOOKS + [429]


def test_one_test_at_a_time_and_to_nobody_else(cast: Cast) -> None:
    one = f"/api/v1/webhooks/{make(cast, is_on=False).json()['id']}"
    api = cast.api(cast.owner)
    assert api.post(f"{one}/test").status_code == 202
    assert api.post(f"{one}/test").json()["code"] == "test_waits"
    rows = api.get(f"{one}/deliveries").json()["results"]
    assert [(row["kind"], row["state"], row["attempts"]) for row in rows] == [("test", "waiting", 0)]
    assert cast.api(cast.operator).get("/api/v1/notifications").json()["results"] == []


def test_deleting_it_forgets_what_waits(cast: Cast) -> None:
    one = f"/api/v1/webhooks/{make(cast).json()['id']}"
    api = cast.api(cast.owner)
    api.post(f"{one}/test")
    assert api.delete(one).status_code == 204
    assert not Delivery.objects.exists()
    assert api.delete(one).status_code == 404


# ------------------------------------------------------------------------------------------------ Pages


@pytest.mark.parametrize("who", ["owner", "operator", "outsider", "staff_here"])
def test_the_pages_of_a_project(cast: Cast, who: str) -> None:
    pages = cast.pages(getattr(cast, who))
    address = f"/projects/{cast.acme.pk}/webhooks/"
    assert pages.get(address).status_code == (200 if who == "owner" else 404)
    answer = pages.post(address, WANTED)
    assert answer.status_code == (200 if who == "owner" else 404)
    assert Webhook.objects.count() == (who == "owner")
    if who == "owner":
        assert "whsec_" in answer.content.decode()


def test_a_webhooks_page(cast: Cast) -> None:
    pages = cast.pages(cast.owner)
    pages.post(f"/projects/{cast.acme.pk}/webhooks/", WANTED)
    webhook = Webhook.objects.get()
    one = f"/webhooks/{webhook.pk}/"
    assert pages.post(f"{one}test/").status_code == 302
    html = pages.get(one).content.decode()
    assert 'hx-trigger="every 2s"' in html
    assert pages.get(f"{one}deliveries/").status_code == 200
    assert pages.post(one, {**WANTED, "name": "renamed", "kinds": ["quota_near"]}).status_code == 302
    webhook.refresh_from_db()
    assert (webhook.name, webhook.kinds, webhook.is_on) == ("renamed", [Kind.QUOTA_NEAR], False)
    refused = pages.post(one, {**WANTED, "url": "http://example.org"})
    assert (refused.status_code, "https:// addresses" in refused.content.decode()) == (400, True)
    assert "whsec_" in pages.post(f"{one}secret/").content.decode()
    assert pages.post(f"{one}delete/").status_code == 302
    assert not Webhook.objects.exists()


def test_a_page_says_that_nobody_answers_for_it(cast: Cast) -> None:
    membership_set(project=cast.acme, user=cast.operator, role=Role.OWNER, by=cast.owner)
    make(cast)
    Membership.objects.filter(project=cast.acme, user=cast.owner).delete()
    pages = cast.pages(cast.operator)
    assert "sent nothing" in pages.get(f"/projects/{cast.acme.pk}/webhooks/").content.decode()
    assert "It is sent nothing" in pages.get(f"/webhooks/{Webhook.objects.get().pk}/").content.decode()


@pytest.mark.parametrize("who", ["owner", "staff_here"])
def test_staffs_own_page(cast: Cast, who: str) -> None:
    pages = cast.pages(getattr(cast, who))
    assert pages.get("/webhooks/").status_code == (200 if who == "staff_here" else 404)
    pages.post("/webhooks/", {**WANTED, "kinds": ["host_away"]})
    assert Webhook.objects.filter(project=None).count() == (who == "staff_here")
