"""The sign-in page, of the portal and of /admin, and signing out."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import AuditEvent
from accounts.sessions import session_digest, session_user
from tests.accounts.conftest import Hashes
from tests.cast import Cast
from tests.factories import PASSWORD


def sign_in(client: Client, email: str = "olivia@acme.example", password: str = PASSWORD, **more: str) -> Any:
    return client.post("/login/", {"email": email, "password": password, **more})


def key_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def test_the_way_in(cast: Cast) -> None:
    browser = Client()
    assert browser.get("/profile/")["Location"] == "/login/?next=/profile/"
    answer = sign_in(browser, next="/profile/")
    assert (answer.status_code, answer["Location"]) == (302, "/profile/")
    assert "Olivia Owner" in browser.get("/profile/").content.decode()
    event = AuditEvent.objects.get(action="login")
    assert (event.actor, event.outcome, event.detail) == (cast.owner, "success", {"how": "page"})
    assert browser.get("/login/?next=/profile/")["Location"] == "/profile/", "a second visit goes on"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "http:///evil.example",
        "%09//evil",
        "",
    ],
)
def test_only_paths_of_this_site_follow(cast: Cast, target: str) -> None:
    assert sign_in(Client(), next=target)["Location"] in ("/", "%09//evil")


def test_the_session_rotates(cast: Cast) -> None:
    browser = Client()
    browser.get("/login/")
    planted = browser.session
    planted["x"] = 1
    planted.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = planted.session_key or ""
    sign_in(browser)
    assert key_of(browser) != planted.session_key
    assert session_user(planted.session_key or "") is None
    assert session_user(key_of(browser)) == cast.owner


@pytest.mark.parametrize("email", ["olivia@acme.example", "nobody@nowhere.example"])
def test_a_refusal(cast: Cast, hashes: Hashes, email: str) -> None:
    with hashes.counted() as count:
        answer = sign_in(Client(), email, "wrong")
    assert count() == 1
    assert answer.status_code == 401
    assert "The e-mail address or the password is wrong" in answer.content.decode()
    assert b'"wrong"' not in answer.content, "the password is not sent back"


def test_the_limit_is_the_apis_too(cast: Cast, hashes: Hashes) -> None:
    for _ in range(settings.LOGIN_LIMIT_PER_ACCOUNT):
        body = {"email": "olivia@acme.example", "password": "wrong"}
        Client().post("/api/v1/login", body, content_type="application/json")
    with hashes.counted() as count:
        answer = sign_in(Client())
    assert (answer.status_code, count()) == (429, 0)
    assert int(answer["Retry-After"]) > 0


def test_forms_need_their_secret(cast: Cast) -> None:
    assert sign_in(Client(enforce_csrf_checks=True)).status_code == 403
    browser = cast.pages(cast.owner, enforce_csrf_checks=True)
    assert browser.post("/logout/").status_code == 403
    assert browser.post("/profile/sign-out-everywhere/").status_code == 403
    assert browser.post("/api/v1/logout", {"all": True}, content_type="application/json").status_code == 403
    assert browser.get("/profile/").status_code == 200


def test_signing_out(cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any) -> None:
    browser = cast.pages(cast.owner)
    key = key_of(browser)
    with django_capture_on_commit_callbacks(execute=True):
        assert browser.post("/logout/").status_code == 302
        assert browser.post("/logout/").status_code == 302, "a second click"
    assert revoked == [{"session_digest": session_digest(key), "reason": "logout"}]
    assert session_user(key) is None
    assert browser.get("/logout/").status_code == 405


def test_a_page_session_signs_out_by_the_api_too(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    browser = cast.pages(cast.owner)
    key = key_of(browser)
    with django_capture_on_commit_callbacks(execute=True):
        assert browser.post("/api/v1/logout", content_type="application/json").status_code == 204
    assert revoked == [{"session_digest": session_digest(key), "reason": "logout"}]
    assert session_user(key) is None


def test_signing_in_as_somebody_else_ends_the_session_before(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    browser = cast.pages(cast.owner)
    key = key_of(browser)
    with django_capture_on_commit_callbacks(execute=True):
        sign_in(browser, "otto@otto.example")
    assert {"session_digest": session_digest(key), "reason": "logout"} in revoked
    assert session_user(key) is None
    assert session_user(key_of(browser)) == cast.outsider


def test_signing_out_everywhere(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    here, there, api = cast.pages(cast.owner), cast.pages(cast.owner), cast.api(cast.owner)
    other = cast.pages(cast.operator)
    with django_capture_on_commit_callbacks(execute=True):
        assert here.post("/profile/sign-out-everywhere/")["Location"] == "/login/"
    assert here.get("/profile/").status_code == there.get("/profile/").status_code == 302
    assert api.get("/api/v1/me").status_code == 401
    assert other.get("/profile/").status_code == 200
    assert revoked == [{"user_id": cast.owner.pk, "reason": "logout"}]
    assert AuditEvent.objects.filter(action="logout.all", actor=cast.owner).count() == 1


def test_admin_has_the_portals_door(cast: Cast) -> None:
    browser = Client()
    for path in ("/admin/", "/admin/login/?next=/admin/", "/admin/accounts/user/"):
        answer = browser.get(path, follow=True)
        assert answer.redirect_chain[-1][0].startswith("/login/?next="), path
    assert browser.post("/admin/login/", {"username": "sue@eve.example", "password": PASSWORD}).status_code in (
        302,
        405,
    )
    assert browser.get("/admin/").status_code == 302, "and posting to Django's own door opens nothing"
    assert sign_in(browser, "sue@eve.example", next="/admin/")["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200
    assert browser.get("/admin/password_change/")["Location"] == "/profile/"
    assert browser.post("/admin/logout/")["Location"] == "/login/"
    assert browser.get("/admin/").status_code == 302


def test_customers_do_not_find_admin(cast: Cast) -> None:
    answer = cast.pages(cast.owner).get("/admin/", follow=True)
    assert answer.status_code == 404
