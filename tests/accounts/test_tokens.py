"""Login tokens: what resolves, what does not, what is kept of their use."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from accounts.models import LoginToken, User
from accounts.services import token_create, token_revoke
from accounts.tokens import token_from_header, token_resolve
from tests.cast import Cast


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", ""),
        ("Bearer", ""),
        ("", ""),
        ("abc", ""),
    ],
)
def test_what_a_header_holds(header: str, token: str) -> None:
    assert token_from_header(header) == token


def test_a_living_token_resolves_with_its_user(cast: Cast, django_assert_num_queries: object) -> None:
    text = cast.token(cast.owner)
    token = token_resolve(text)
    assert token is not None
    with django_assert_num_queries(1):  # type: ignore[operator]
        again = token_resolve(text)
        assert again is not None
        assert again.user == cast.owner


@pytest.mark.parametrize(
    "case", ["other secret", "other public", "cut", "longer", "newline", "empty", "unicode", "expired"]
)
def test_what_does_not(cast: Cast, case: str) -> None:
    text, other = cast.token(cast.owner), cast.token(cast.outsider)
    if case == "expired":
        LoginToken.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    bad = {
        "other secret": f"{text.split('.')[0]}.{other.split('.')[1]}",
        "other public": f"{other.split('.')[0]}.{text.split('.')[1]}",
        "cut": text[:-1],
        "longer": text + "A",
        "newline": text + "\n",
        "empty": "",
        "unicode": text[:-1] + "é",
        "expired": text,
    }[case]
    assert token_resolve(bad) is None


def test_a_disabled_users_token_is_dead(cast: Cast) -> None:
    text = cast.token(cast.owner)
    User.objects.filter(pk=cast.owner.pk).update(is_active=False)
    assert token_resolve(text) is None


def test_use_is_noted_once_a_minute(cast: Cast) -> None:
    text, token = token_create(user=cast.owner)
    earlier = timezone.now() - dt.timedelta(seconds=30)
    LoginToken.objects.filter(pk=token.pk).update(last_used_at=earlier)
    token_resolve(text)
    token.refresh_from_db()
    assert token.last_used_at == earlier
    LoginToken.objects.filter(pk=token.pk).update(last_used_at=earlier - dt.timedelta(minutes=1))
    token_resolve(text)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at > earlier


def test_one_can_be_revoked(
    cast: Cast, revoked: list[dict[str, object]], django_capture_on_commit_callbacks: object
) -> None:
    text, token = token_create(user=cast.owner)
    other = cast.token(cast.owner)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        token_revoke(token=token, by=cast.owner)
        token_revoke(token=token, by=cast.owner)
    assert token_resolve(text) is None
    assert token_resolve(other) is not None
    assert revoked == [{"token_id": token.pk, "reason": "token_revoked"}]


def test_people_see_and_revoke_their_own_only(cast: Cast) -> None:
    _, hers = token_create(user=cast.owner, name="hers")
    for part, user in cast.everybody.items():
        api = cast.api(user)
        listed = {row["id"] for row in api.get("/api/v1/tokens").json()["results"]}
        assert (str(hers.pk) in listed) == (user == cast.owner), part
        if user != cast.owner:
            assert api.delete(f"/api/v1/tokens/{hers.pk}").status_code == 404, part
    api = cast.api(cast.owner)
    rows = api.get("/api/v1/tokens").json()["results"]
    assert set(rows[0]) == {"id", "name", "public", "created_at", "last_used_at", "expires_at"}
    assert api.delete(f"/api/v1/tokens/{hers.pk}").status_code == 204
    assert api.delete(f"/api/v1/tokens/{hers.pk}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "left"),
    [("/api/v1/logout", None, 1), ("/api/v1/logout", {"all": True}, 0), ("/api/v1/logout/all", None, 0)],
)
def test_logout(cast: Cast, path: str, body: object, left: int) -> None:
    api, other = cast.api(cast.owner), cast.token(cast.owner)
    assert api.post(path, body).status_code == 204
    assert api.get("/api/v1/me").status_code == 401
    assert (token_resolve(other) is not None) == bool(left)


def test_a_401_says_how_to_sign_in(cast: Cast) -> None:
    answer = cast.api().get("/api/v1/me")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer["Content-Type"] == "application/problem+json"
