"""Login sessions: where one is signed in, and ending one of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.browsers import browser_words
from accounts.models import AuditEvent, LoginSession
from accounts.selectors import login_sessions_for
from accounts.services import login_session_note, logout_everywhere
from accounts.sessions import session_digest, session_user
from tests.cast import Cast
from tests.factories import PASSWORD

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1"
)


def signed_in(agent: str = FIREFOX, address: str = "192.0.2.1", email: str = "olivia@acme.example") -> Client:
    client = Client(headers={"user-agent": agent}, REMOTE_ADDR=address)
    client.post("/login/", {"email": email, "password": PASSWORD})
    return client


def key_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def row_of(client: Client) -> LoginSession:
    return LoginSession.objects.get(digest=session_digest(key_of(client)))


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (PHONE, "Safari on iPhone"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
            "Safari/537.36 Edg/142.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", "curl"),
        ("", "an unknown browser"),
        ("<script>alert(1)</script>", "an unknown browser"),
    ],
)
def test_browsers_in_words(agent: str, words: str) -> None:
    assert browser_words(agent) == words


def test_the_page_and_the_api_list_them(cast: Cast) -> None:
    here, there = signed_in(), signed_in(PHONE, "2001:db8::7")
    signed_in(email="otto@otto.example", address="203.0.113.5")
    page = here.get("/profile/").content.decode()
    for text in ("Firefox on Linux", "192.0.2.1", "Safari on iPhone", "2001:db8::7", "this one"):
        assert text in page
    assert "203.0.113.5" not in page, "another's"
    assert f"/profile/sessions/{row_of(there).pk}/end/" in page
    assert f"/profile/sessions/{row_of(here).pk}/end/" not in page, "this one signs out by the menu"
    listed = cast.api(cast.owner).get("/api/v1/sessions").json()["results"]
    assert {(row["browser"], row["address"]) for row in listed} == {
        ("Firefox on Linux", "192.0.2.1"),
        ("Safari on iPhone", "2001:db8::7"),
    }
    assert all("digest" not in row for row in listed)


def test_one_is_ended_and_nothing_else(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    here, there = signed_in(), signed_in(PHONE)
    token = cast.api(cast.owner)
    path, key = f"/profile/sessions/{row_of(there).pk}/end/", key_of(there)
    revoked.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert here.post(path)["Location"] == "/profile/"
        assert here.post(path)["Location"] == "/profile/", "a second click"
    assert there.get("/profile/").status_code == 302
    assert session_user(key) is None
    assert here.get("/profile/").status_code == 200
    assert token.get("/api/v1/me").status_code == 200
    assert revoked == [{"session_digest": session_digest(key), "reason": "logout"}]
    event = AuditEvent.objects.get(action="session.end")
    assert (event.actor, event.target_type, event.outcome) == (cast.owner, "session", "success")


def test_the_api_ends_one_and_anothers_is_not_there(cast: Cast) -> None:
    browser = signed_in()
    path = f"/api/v1/sessions/{row_of(browser).pk}"
    for who in (cast.operator, cast.superuser):
        assert cast.api(who).delete(path).status_code == 404
    assert browser.get("/profile/").status_code == 200
    assert cast.api(cast.owner).delete(path).status_code == 204
    assert browser.get("/profile/").status_code == 302
    assert cast.api(cast.owner).delete(path).status_code == 404


@pytest.mark.parametrize("how", ["menu", "api", "everywhere", "disabled", "password"])
def test_what_ended_is_not_listed(cast: Cast, how: str) -> None:
    from accounts.services import password_set, user_disable

    browser = signed_in()
    key = key_of(browser)
    if how == "menu":
        browser.post("/logout/")
    elif how == "api":
        browser.post("/api/v1/logout", content_type="application/json")
    elif how == "everywhere":
        logout_everywhere(user=cast.owner)
    elif how == "disabled":
        user_disable(user=cast.owner, by=None)
    else:
        password_set(user=cast.owner, password="another long battery 9", by=None)
    assert not LoginSession.objects.filter(user=cast.owner).exists()
    login_session_note(user=cast.owner, session_key=key, agent="a request that was under way")
    assert not login_sessions_for(cast.owner).exists()


def test_changing_the_password_leaves_this_browser_in_the_list(cast: Cast) -> None:
    here = signed_in()
    signed_in(PHONE)
    new = "another long battery 9"
    here.post("/profile/password/", {"present": PASSWORD, "password": new, "again": new})
    assert [row.digest for row in login_sessions_for(cast.owner)] == [session_digest(key_of(here))]


def test_the_last_use_is_kept_to_the_minute(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = signed_in()
    LoginSession.objects.update(last_used_at=timezone.now() - dt.timedelta(hours=1))
    browser.get("/profile/")
    assert row_of(browser).last_used_at < timezone.now() - dt.timedelta(minutes=50), "noted a moment ago"
    monkeypatch.setattr("accounts.middleware.NOTE_SECONDS", -1)
    browser.get("/profile/", REMOTE_ADDR="198.51.100.9")
    row = row_of(browser)
    assert row.last_used_at > timezone.now() - dt.timedelta(minutes=1)
    assert row.address == "198.51.100.9", "where it is used from now"


def test_a_session_from_before_there_was_a_list_comes_into_it(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = signed_in()
    LoginSession.objects.all().delete()
    monkeypatch.setattr("accounts.middleware.NOTE_SECONDS", -1)
    browser.get("/profile/")
    assert row_of(browser).user == cast.owner


def test_old_rows_are_swept(cast: Cast) -> None:
    login_session_note(user=cast.owner, session_key="gone", agent="")
    LoginSession.objects.update(last_used_at=timezone.now() - dt.timedelta(days=15))
    signed_in()
    assert LoginSession.objects.count() == 1


def test_what_a_browser_calls_itself_is_bounded_and_inert(cast: Cast) -> None:
    browser = signed_in("<b>Firefox/1\x1b[31m" + "x" * 5000)
    assert len(row_of(browser).agent) <= 300
    assert "\x1b" not in row_of(browser).agent
    assert "<b>" not in browser.get("/profile/").content.decode()
