"""Signing in by the API, and all that refuses it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.errors import BadLogin
from accounts.models import AuditEvent, LoginToken, User
from accounts.services import login_check, token_create
from tests.accounts.conftest import Hashes
from tests.cast import Cast
from tests.factories import PASSWORD, make_user

URL = "/api/v1/login"


def login(email: Any, password: Any = PASSWORD, *, address: str = "192.0.2.1", **more: Any) -> Any:
    client = Client(REMOTE_ADDR=address)
    return client.post(URL, {"email": email, "password": password, **more}, content_type="application/json")


def test_a_login_gives_a_token_that_works(cast: Cast) -> None:
    answer = login("Olivia@ACME.example ", name="laptop")
    assert answer.status_code == 200
    assert set(answer.json()) == {"token", "expiry"}
    assert answer["Cache-Control"] == "no-store"
    expiry = dt.datetime.fromisoformat(answer.json()["expiry"])
    assert abs(expiry - timezone.now() - dt.timedelta(hours=24)) < dt.timedelta(minutes=1)
    me = Client().get("/api/v1/me", headers={"authorization": f"Bearer {answer.json()['token']}"})
    assert me.json()["email"] == "olivia@acme.example"
    assert {project["name"]: project["role"] for project in me.json()["projects"]} == {
        "Acme": "owner",
        "Olivia Owner": "owner",
    }
    token = LoginToken.objects.get(user=cast.owner)
    assert token.name == "laptop"
    assert token.last_used_at is not None


def test_nothing_that_is_kept_opens_anything(cast: Cast) -> None:
    text = login("olivia@acme.example").json()["token"]
    token = LoginToken.objects.get()
    secret = text.split(".", 1)[1]
    assert len(secret) == 43
    assert secret not in str(LoginToken.objects.values().get())
    for guess in (token.digest, token.public, f"eve1_{token.public}.{token.digest[:43]}"):
        assert Client().get("/api/v1/me", headers={"authorization": f"Bearer {guess}"}).status_code == 401


@pytest.mark.parametrize("case", ["wrong password", "unknown", "disabled", "no password yet", "empty"])
def test_refusals_look_the_same_and_cost_one_hash(cast: Cast, hashes: Hashes, case: str) -> None:
    if case == "disabled":
        User.objects.filter(pk=cast.owner.pk).update(is_active=False)
    if case == "no password yet":
        cast.owner.set_unusable_password()
        cast.owner.save()
    email = "nobody@nowhere.example" if case == "unknown" else "olivia@acme.example"
    password = {"wrong password": "wrong", "empty": " "}.get(case, PASSWORD)
    with hashes.counted() as count:
        answer = login(email, password)
    assert count() == 1
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    body = answer.json()
    body.pop("request_id")
    assert body == {
        "type": "/problems/bad_login",
        "title": "You are not signed in",
        "status": 401,
        "detail": "The e-mail address or the password is wrong.",
        "code": "bad_login",
        "retryable": False,
    }
    event = AuditEvent.objects.get(action="login")
    assert (event.actor, event.actor_label, event.outcome) == (None, email, "failure")
    assert (event.address, PASSWORD in str(event.detail)) == ("192.0.2.1", False)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "olivia@acme.example"},
        {"email": ["olivia@acme.example"], "password": PASSWORD},
        {"email": {"$ne": ""}, "password": PASSWORD},
        {"email": "olivia\x00@acme.example", "password": PASSWORD},
        {"email": "olivia@acme.example", "password": "x" * 5000},
        {"email": "x" * 300, "password": PASSWORD},
        {"email": "olivia@acme.example", "password": PASSWORD, "ttl_seconds": 599},
        {"email": "olivia@acme.example", "password": PASSWORD, "ttl_seconds": 90 * 86400 + 1},
        {"email": "olivia@acme.example", "password": PASSWORD, "user": "sue"},
    ],
)
def test_bad_input_is_told(cast: Cast, hashes: Hashes, body: dict[str, Any]) -> None:
    with hashes.counted() as count:
        answer = Client().post(URL, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"]
    assert count() == 0
    assert not LoginToken.objects.exists()


def test_a_form_cannot_log_in(cast: Cast) -> None:
    """Another site can send a form, not JSON."""
    assert Client().post(URL, {"email": "olivia@acme.example", "password": PASSWORD}).status_code == 415


@pytest.mark.parametrize("ttl_seconds", [600, 90 * 86400])
def test_lifetimes_at_the_edge(cast: Cast, ttl_seconds: int) -> None:
    assert login("olivia@acme.example", ttl_seconds=ttl_seconds).status_code == 200


def test_the_limit_of_one_account_from_one_place(cast: Cast, hashes: Hashes) -> None:
    for _ in range(settings.LOGIN_LIMIT_PER_ACCOUNT):
        assert login("olivia@acme.example", "wrong").status_code == 401
    with hashes.counted() as count:
        answer = login("olivia@acme.example")
    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_attempts"
    assert 0 < int(answer["Retry-After"]) <= settings.LOGIN_LIMIT_WINDOW_SECONDS
    assert count() == 0, "a throttled attempt hashes nothing"
    assert login("OLIVIA@acme.example").status_code == 429, "however the address is written"
    assert login("oscar@acme.example").status_code == 200, "others from there"
    assert login("olivia@acme.example", address="192.0.2.2").status_code == 200, "the victim from elsewhere"


def test_a_flood_is_one_line_in_the_audit(cast: Cast) -> None:
    for _ in range(settings.LOGIN_LIMIT_PER_ACCOUNT + 5):
        login("olivia@acme.example", "wrong")
    assert AuditEvent.objects.filter(action="login", outcome="denied").count() == 1


def test_forged_headers_open_no_new_place(cast: Cast) -> None:
    codes = [
        Client(REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}", HTTP_X_REAL_IP=f"203.0.113.{n}")
        .post(URL, {"email": "olivia@acme.example", "password": "wrong"}, content_type="application/json")
        .status_code
        for n in range(settings.LOGIN_LIMIT_PER_ACCOUNT + 2)
    ]
    assert codes == [401] * settings.LOGIN_LIMIT_PER_ACCOUNT + [429, 429]


def test_the_limit_of_one_address_over_many_accounts(cast: Cast, settings: Any) -> None:
    settings.LOGIN_LIMIT_PER_ADDRESS = 4
    for n in range(4):
        assert login(f"guess{n}@acme.example", "wrong").status_code == 401
    assert login("olivia@acme.example").status_code == 429


def test_one_ipv6_network_is_one_place(cast: Cast, settings: Any) -> None:
    settings.LOGIN_LIMIT_PER_ACCOUNT = 3
    for n in range(3):
        assert login("olivia@acme.example", "wrong", address=f"2001:db8:1:2::{n}").status_code == 401
    assert login("olivia@acme.example", address="2001:db8:1:2:ffff::1").status_code == 429
    assert login("olivia@acme.example", address="2001:db8:1:3::1").status_code == 200


def test_many_places_cannot_lock_the_victim_out_of_theirs(cast: Cast, settings: Any) -> None:
    settings.LOGIN_LIMIT_PER_ACCOUNT = 1  # so 10 an account, from all places together
    assert login("olivia@acme.example", address="198.51.100.7").status_code == 200
    codes = [login("olivia@acme.example", "wrong", address=f"203.0.113.{n}").status_code for n in range(12)]
    assert codes == [401] * 10 + [429] * 2, "the guessers are stopped"
    assert login("olivia@acme.example", address="198.51.100.7").status_code == 200, "where she signed in before"


def test_good_logins_use_up_nothing(cast: Cast, settings: Any) -> None:
    settings.LOGIN_LIMIT_PER_ACCOUNT = 2
    assert [login("olivia@acme.example").status_code for _ in range(4)] == [200] * 4


def test_the_window_ends(cast: Cast, settings: Any) -> None:
    from accounts.models import AttemptCounter

    settings.LOGIN_LIMIT_PER_ACCOUNT = 1
    assert login("olivia@acme.example", "wrong").status_code == 401
    assert login("olivia@acme.example").status_code == 429
    AttemptCounter.objects.update(window_started_at=timezone.now() - dt.timedelta(seconds=901))
    assert login("olivia@acme.example").status_code == 200
    assert not AttemptCounter.objects.filter(window_started_at__lt=timezone.now() - dt.timedelta(seconds=900)).exists()


def test_a_login_under_way_does_not_survive_a_disabled_user(cast: Cast) -> None:
    from accounts.services import user_disable, user_enable

    user = login_check(email="olivia@acme.example", password=PASSWORD)
    user_disable(user=cast.owner, by=None)
    user_enable(user=cast.owner, by=None)
    with pytest.raises(BadLogin):
        token_create(user=user)


def test_addresses_are_unique_whatever_their_case(cast: Cast) -> None:
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        make_user("OLIVIA@Acme.Example")
