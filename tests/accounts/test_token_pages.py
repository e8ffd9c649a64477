"""Login tokens on one's profile: the password first, the text once, and their end."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, LoginToken, User
from accounts.services import token_create
from accounts.tokens import token_resolve
from tests.cast import Cast
from tests.factories import PASSWORD

NEW = "/profile/tokens/new/"
WANTED = {"name": "backup script", "ttl_seconds": "604800"}


def confirmed(cast: Cast, user: User) -> Client:
    """A browser in which the password was typed a moment ago."""
    pages = cast.pages(user)
    assert pages.post(f"/profile/confirm/?next={NEW}", {"password": PASSWORD, "next": NEW}).status_code == 302
    return pages


def test_the_password_is_asked_for_first(cast: Cast) -> None:
    pages = cast.pages(cast.owner)
    for answer in (pages.get(NEW), pages.post(NEW, WANTED)):
        assert answer["Location"] == "/profile/confirm/?next=%2Fprofile%2Ftokens%2Fnew%2F"
    assert not LoginToken.objects.exists()
    wrong = pages.post("/profile/confirm/", {"password": "wrong", "next": NEW})
    assert wrong.status_code == 401
    assert pages.get(NEW).status_code == 302
    assert pages.get("/profile/confirm/?next=/profile/tokens/new/").status_code == 200


def test_a_token_is_made_and_shown_once(cast: Cast) -> None:
    pages = confirmed(cast, cast.owner)
    assert pages.get(NEW).status_code == 200
    answer = pages.post(NEW, WANTED)
    text = re.search(r'id="made-token">(eve1_[\w-]{16}\.[\w-]{43})<', answer.content.decode())
    assert text is not None
    assert "no-store" in answer["Cache-Control"]
    token = token_resolve(text[1])
    assert token is not None
    assert (token.user, token.name) == (cast.owner, "backup script")
    assert abs(token.expires_at - timezone.now() - dt.timedelta(days=7)) < dt.timedelta(minutes=1)
    profile = pages.get("/profile/").content.decode()
    assert "backup script" in profile
    secret = text[1].split(".")[1]
    assert secret not in profile
    assert secret not in str(list(AuditEvent.objects.values())) + str(list(LoginToken.objects.values()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"ttl_seconds": "31536000"},
        {"ttl_seconds": "1"},
        {"ttl_seconds": ""},
        {"ttl_seconds": "for ever"},
    ],
)
def test_what_cannot_be(cast: Cast, wrong: dict[str, str]) -> None:
    assert confirmed(cast, cast.owner).post(NEW, {**WANTED, **wrong}).status_code == 400
    assert not LoginToken.objects.exists()


def test_it_is_not_made_from_another_site(cast: Cast) -> None:
    pages = confirmed(cast, cast.owner)
    pages.handler.enforce_csrf_checks = True
    assert pages.post(NEW, WANTED).status_code == 403
    assert not LoginToken.objects.exists()


def test_all_are_ended_and_nobody_elses(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    hers = [token_create(user=cast.owner, name=f"number {number}") for number in range(3)]
    other = cast.token(cast.operator)
    pages = cast.pages(cast.owner)
    with django_capture_on_commit_callbacks(execute=True):
        answer = pages.post("/profile/tokens/end/", follow=True)
    assert "3 tokens are revoked." in answer.content.decode()
    assert all(token_resolve(text) is None for text, _ in hers)
    assert token_resolve(other) is not None
    assert {each["token_id"] for each in revoked} == {token.pk for _, token in hers}
    assert pages.get("/profile/").status_code == 200  # still signed in
    assert AuditEvent.objects.filter(action="token.revoke_all", actor=cast.owner).count() == 1
    assert "0 tokens are revoked." in pages.post("/profile/tokens/end/", follow=True).content.decode()
    assert AuditEvent.objects.filter(action="token.revoke_all").count() == 1


def test_by_api_too(cast: Cast) -> None:
    api, other = cast.api(cast.owner), cast.token(cast.owner)
    assert api.delete("/api/v1/tokens").status_code == 204
    assert token_resolve(other) is None
    assert api.get("/api/v1/me").status_code == 401
