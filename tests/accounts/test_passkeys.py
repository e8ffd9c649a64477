"""Passkeys: made, used, and what proves nothing. A real browser uses one in ``tests/e2e/test_account.py``."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.test import Client

from accounts.factors.passkeys import passkeys_possible
from accounts.models import AuditEvent, Passkey, RecoveryCode
from tests.cast import Cast
from tests.factories import PASSWORD

from .authenticator import Authenticator

MAKE = "/profile/two-factor/passkeys/"


@pytest.fixture(autouse=True)
def by_name(settings: Any) -> None:
    """Eve at an address where browsers offer passkeys."""
    settings.PUBLIC_URL = "http://localhost"
    settings.ALLOWED_ORIGINS = ["http://localhost"]


def sign_in(client: Client, email: str = "olivia@acme.example") -> Any:
    return client.post("/login/", {"email": email, "password": PASSWORD})


def options_in(page: Any) -> dict[str, Any]:
    """What the page gives the browser."""
    return dict(json.loads(html.unescape(re.search(r'data-options="([^"]*)"', page.content.decode())[1])))


def add(browser: Client, key: Authenticator, name: str = "key ring") -> Any:
    answer = key.make(options_in(browser.get(MAKE)))
    return browser.post(MAKE, {"name": name, "answer": answer})


@pytest.fixture
def olivia(cast: Cast) -> Client:
    """Her browser, signed in a moment ago."""
    browser = Client()
    sign_in(browser)
    return browser


@pytest.mark.parametrize(
    ("url", "can"),
    [
        ("http://127.0.0.1:8000", False),
        ("https://[2001:db8::1]", False),
        ("http://eve.example.org", False),
        ("https://eve.example.org", True),
        ("http://localhost:8000", True),
    ],
)
def test_where_browsers_offer_them(settings: Any, url: str, can: bool) -> None:
    settings.PUBLIC_URL = url
    assert passkeys_possible() is can


def test_one_is_made_and_signs_in(cast: Cast, olivia: Client) -> None:
    key = Authenticator()
    page = add(olivia, key)
    assert page.status_code == 200
    assert len(re.findall(r"<code>[a-z2-9-]{19}</code>", page.content.decode())) == 10
    assert Passkey.objects.get(user=cast.owner).name == "key ring"
    browser = Client()
    assert sign_in(browser)["Location"] == "/login/second/"
    question = options_in(browser.get("/login/second/"))
    assert [each["type"] for each in question["allowCredentials"]] == ["public-key"]
    assert browser.post("/login/second/", {"answer": key.prove(question)})["Location"] == "/"
    assert browser.get("/profile/").status_code == 200
    assert AuditEvent.objects.filter(action="login", detail__second="passkey").count() == 1
    assert Passkey.objects.get().last_used_at is not None


def test_the_api_takes_a_recovery_code_for_it(cast: Cast, olivia: Client) -> None:
    add(olivia, Authenticator())
    body = {"email": "olivia@acme.example", "password": PASSWORD}
    answer = Client().post("/api/v1/login", body, content_type="application/json")
    assert answer.json()["kinds"] == ["passkey", "recovery"]


@pytest.mark.parametrize(
    "case",
    [
        "another's question",
        "the same answer again",
        "another key",
        "another site",
        "another party",
        "a copy",
        "no JSON",
        "a list",
        "{}",
        "long",
        "deep",
    ],
)
def test_what_proves_nothing(cast: Cast, olivia: Client, case: str) -> None:
    key = Authenticator()
    add(olivia, key)
    browser = Client()
    sign_in(browser)
    question = options_in(browser.get("/login/second/"))
    answer = key.prove(question)
    if case == "another's question":
        answer = key.prove(options_in(browser.get("/login/second/")))
        browser.get("/login/second/")
    elif case == "the same answer again":
        browser.post("/login/second/", {"answer": answer})
        browser = Client()
        sign_in(browser)
        browser.get("/login/second/")
    elif case == "another key":
        answer = Authenticator().prove(question)
    elif case == "another site":
        key.origin = "http://localhost.evil.example"
        answer = key.prove(question)
    elif case == "another party":
        key.party = "evil.example"
        answer = key.prove(question)
    elif case == "a copy":
        Passkey.objects.update(sign_count=7)
    else:
        answer = {"no JSON": "x", "a list": "[1]", "{}": "{}", "long": "x" * 30_000, "deep": "[" * 15_000}[case]
    refused = browser.post("/login/second/", {"answer": answer})
    assert refused.status_code == 401
    assert "not one of yours" in refused.content.decode()
    assert browser.get("/profile/").status_code == 302
    why = "copied passkey" if case == "a copy" else "second factor"
    assert AuditEvent.objects.filter(action="login", outcome="failure").get().detail == {"why": why}


def test_without_a_question_there_is_no_answer(cast: Cast, olivia: Client) -> None:
    key = Authenticator()
    add(olivia, key)
    browser = Client()
    question = {"challenge": "AAAA"}
    sign_in(browser)
    assert browser.post("/login/second/", {"answer": key.prove(question)}).status_code == 401


def test_one_that_does_not_count_is_taken(cast: Cast, olivia: Client) -> None:
    key = Authenticator()
    add(olivia, key)
    for _time in range(2):
        key.count = -1  # so that it says 0, as passkeys of phones do
        browser = Client()
        sign_in(browser)
        answer = key.prove(options_in(browser.get("/login/second/")))
        assert browser.post("/login/second/", {"answer": answer}).status_code == 302


def test_the_same_is_not_taken_twice(cast: Cast, olivia: Client) -> None:
    key = Authenticator()
    add(olivia, key)
    assert add(olivia, key).status_code == 400
    otto = Client()
    sign_in(otto, "otto@otto.example")
    assert add(otto, key).status_code == 400
    assert Passkey.objects.count() == 1
    assert not RecoveryCode.objects.filter(user=cast.outsider).exists()


def test_another_users_passkey_signs_nobody_in(cast: Cast, olivia: Client) -> None:
    hers, his = Authenticator(), Authenticator()
    add(olivia, hers)
    otto = Client()
    sign_in(otto, "otto@otto.example")
    add(otto, his)
    browser = Client()
    sign_in(browser)
    answer = his.prove(options_in(browser.get("/login/second/")))
    assert browser.post("/login/second/", {"answer": answer}).status_code == 401


def test_there_is_a_most(cast: Cast, olivia: Client) -> None:
    for number in range(10):
        assert add(olivia, Authenticator(), f"key {number}").status_code in (200, 302)
    assert "which is the most" in add(olivia, Authenticator()).content.decode()
    assert Passkey.objects.count() == 10


def test_removing_one(cast: Cast, olivia: Client) -> None:
    add(olivia, Authenticator())
    passkey = Passkey.objects.get()
    otto = Client()
    sign_in(otto, "otto@otto.example")
    otto.post(f"/profile/two-factor/passkeys/{passkey.pk}/remove/")
    assert Passkey.objects.exists(), "another's"
    olivia.post(f"/profile/two-factor/passkeys/{passkey.pk}/remove/")
    assert not Passkey.objects.exists()
    assert not RecoveryCode.objects.exists()


def test_at_an_address_without_a_name_the_page_says_so(cast: Cast, olivia: Client, settings: Any) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    assert "this Eve has another one" in olivia.get("/profile/two-factor/").content.decode()
    assert olivia.get(MAKE)["Location"] == "/profile/two-factor/"
