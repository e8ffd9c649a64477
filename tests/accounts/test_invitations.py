"""Inviting somebody who has no account: the mail, the link, and what becomes of both."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from accounts.errors import LinkSpent
from accounts.models import AuditEvent, Invitation, Role, User
from accounts.selectors import role_in
from accounts.services import invitation_accept, member_invite, membership_set, user_create
from common.errors import Conflict, LimitReached, NotAllowed
from tests.cast import Cast

PASSWORD = "a long new battery 8"
NEW = "nina@new.example"

pytestmark = pytest.mark.usefixtures("mails_at_once")


def invite(cast: Cast, email: str = NEW, role: Role = Role.OPERATOR) -> Any:
    return member_invite(project=cast.acme, email=email, role=role, by=cast.owner)


def link_in(mail: Any) -> str:
    address = next(word for word in mail.body.split() if "/invitation/?" in word)
    return parse_qs(urlsplit(address).query)["link"][0]


def test_from_the_owners_page_to_the_project(cast: Cast, mailoutbox: list[Any]) -> None:
    page = f"/projects/{cast.acme.pk}/"
    owner = cast.pages(cast.owner)
    assert owner.post(f"{page}members/", {"email": "Nina@New.example", "role": "operator"})["Location"] == page
    shown = owner.get(page).content.decode()
    assert "an invitation is on its way" in shown
    assert NEW in shown
    assert NEW not in cast.pages(cast.viewer).get(page).content.decode(), "for owners only"
    assert mailoutbox[0].to == [NEW]
    assert "olivia@acme.example invites you" in mailoutbox[0].body
    assert "Acme" not in mailoutbox[0].body + mailoutbox[0].subject, "nothing that its sender may word"

    browser = Client()
    answer = browser.get("/invitation/", {"link": link_in(mailoutbox[0])})
    assert answer["Location"] == "/invitation/", "the secret leaves the address bar"
    text = browser.get("/invitation/").content.decode()
    assert "Olivia Owner invites you into Acme" in text
    weak = browser.post("/invitation/", {"name": "Nina New", "password": "1234567890", "again": "1234567890"})
    assert weak.status_code == 400
    done = browser.post("/invitation/", {"name": "Nina New", "password": PASSWORD, "again": PASSWORD})
    assert done["Location"] == page
    assert "you are in Acme" in browser.get(page).content.decode()
    nina = User.objects.get(email=NEW)
    assert role_in(nina, cast.acme) is Role.OPERATOR
    assert (nina.is_staff, nina.is_superuser, nina.name) == (False, False, "Nina New")
    assert nina.check_password(PASSWORD)
    assert not Invitation.objects.exists()
    actions = list(AuditEvent.objects.filter(project=cast.acme).order_by("at").values_list("action", flat=True))
    assert actions == ["invitation.make", "member.add", "invitation.accept"]
    assert browser.get("/invitation/").status_code == 409, "once"


def test_by_the_api(cast: Cast, mailoutbox: list[Any]) -> None:
    api, one = cast.api(cast.owner), f"/api/v1/projects/{cast.acme.pk}"
    answer = api.post(f"{one}/members", {"email": NEW, "role": "viewer"})
    assert (answer.status_code, answer.json()["email"], answer.json()["role"]) == (202, NEW, "viewer")
    assert [row["email"] for row in api.get(f"{one}/invitations").json()["results"]] == [NEW]
    assert "digest" not in api.get(f"{one}/invitations").json()["results"][0]
    path = f"{one}/invitations/{answer.json()['id']}"
    for who, status in ((cast.operator, 403), (cast.viewer, 403), (cast.outsider, 404)):
        assert cast.api(who).get(f"{one}/invitations").status_code == status
        assert cast.api(who).delete(path).status_code == status
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    with pytest.raises(LinkSpent):
        invitation_accept(link=link_in(mailoutbox[0]), name="Nina", password=PASSWORD)
    assert AuditEvent.objects.filter(action="invitation.withdraw", target_label=NEW).count() == 1


def test_on_the_page_it_is_withdrawn(cast: Cast) -> None:
    invitation = invite(cast)
    path = f"/projects/{cast.acme.pk}/invitations/{invitation.pk}/withdraw/"
    cast.pages(cast.operator).post(path)
    assert Invitation.objects.exists()
    assert cast.pages(cast.outsider).post(path).status_code == 404
    for _click in range(2):
        assert cast.pages(cast.owner).post(path)["Location"] == f"/projects/{cast.acme.pk}/"
    assert not Invitation.objects.exists()


def test_only_a_digest_is_kept(cast: Cast, mailoutbox: list[Any]) -> None:
    invite(cast)
    link = link_in(mailoutbox[0])
    assert len(link) == 43
    assert link not in f"{Invitation.objects.values().get()} {list(AuditEvent.objects.values())}"


@pytest.mark.parametrize("case", ["late", "withdrawn", "project off", "asked again", "another"])
def test_links_that_are_spent(cast: Cast, mailoutbox: list[Any], case: str) -> None:
    invitation = invite(cast)
    link = link_in(mailoutbox[0])
    if case == "late":
        Invitation.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    elif case == "withdrawn":
        invitation.delete()
    elif case == "project off":
        cast.acme.is_active = False
        cast.acme.save()
    elif case == "asked again":
        invite(cast)
    else:
        link = invitation.digest[:43]
    browser = Client()
    answer = browser.get("/invitation/", {"link": link}, follow=True)
    assert answer.status_code == 409
    assert "Ask whoever invited you" in answer.content.decode()
    with pytest.raises(LinkSpent):
        invitation_accept(link=link, name="Nina", password=PASSWORD)
    assert not User.objects.filter(email=NEW).exists()


def test_what_an_owner_invited_goes_with_their_ownership(cast: Cast) -> None:
    invite(cast)
    membership_set(project=cast.acme, user=cast.operator, role=Role.OWNER, by=cast.owner)
    membership_set(project=cast.acme, user=cast.owner, role=Role.OPERATOR, by=cast.operator)
    assert not Invitation.objects.exists()


def test_whom_staff_make_an_account_for_is_in_it_too(cast: Cast) -> None:
    invite(cast)
    user = user_create(email=NEW, name="Nina", by=cast.superuser)
    assert role_in(user, cast.acme) is Role.OPERATOR
    assert not Invitation.objects.exists()


def test_an_account_that_came_meanwhile_is_not_taken_over(cast: Cast, mailoutbox: list[Any]) -> None:
    cast.operator.is_active = False
    cast.operator.save()
    invite(cast, "oscar@acme.example")
    with pytest.raises(Conflict):
        invitation_accept(link=link_in(mailoutbox[0]), name="Oscar", password=PASSWORD)
    cast.operator.refresh_from_db()
    assert not cast.operator.is_active
    assert not cast.operator.check_password(PASSWORD)


def test_who_may(cast: Cast) -> None:
    for who in (cast.operator, cast.viewer, cast.outsider):
        with pytest.raises(NotAllowed):
            member_invite(project=cast.acme, email=NEW, role=Role.VIEWER, by=who)
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("setting", ["SENDS_MAIL", "INVITE_STRANGERS"])
def test_where_nobody_can_be_invited_it_is_said(cast: Cast, settings: Any, setting: str) -> None:
    setattr(settings, setting, False)
    answer = cast.api(cast.owner).post(f"/api/v1/projects/{cast.acme.pk}/members", {"email": NEW, "role": "viewer"})
    assert answer.status_code == 400
    assert "Staff have to make one" in answer.json()["detail"]


def test_nobody_is_flooded(cast: Cast, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for _time in range(3):
        invite(cast)
    with pytest.raises(LimitReached):
        invite(cast)
    assert len(mailoutbox) == 3
    monkeypatch.setattr("accounts.services.invitations.MOST_INVITATIONS", 2)
    invite(cast, "second@new.example")
    with pytest.raises(LimitReached):
        invite(cast, "third@new.example")


def test_an_address_that_is_none(cast: Cast) -> None:
    with pytest.raises(ValidationError):
        invite(cast, "x\r\nBcc: y@z.example")
