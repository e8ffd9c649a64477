"""Many at once: what a burst of sign-ins gets past the limits."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from accounts.errors import BadCode, TooManyAttempts
from accounts.models import AttemptCounter, User
from accounts.services import code_check
from accounts.throttle import attempt_reserve, attempt_return, limit_of
from tests.cast import make_cast
from tests.factories import PASSWORD

from .second import add_app, next_code

pytestmark = pytest.mark.django_db(transaction=True)


class SlowDoor:
    """Stands for hashing: slow, counted, and right only for the password."""

    def __init__(self) -> None:
        self.count = 0
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, username: str, password: str) -> User | None:
        with self._lock:
            self.count += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
        return User.objects.filter(email=username).first() if password == PASSWORD else None


def dawdle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Widens the gap between reading a counter and writing it."""
    save = AttemptCounter.save

    def slow(self: AttemptCounter, *args: Any, **kwargs: Any) -> None:
        time.sleep(0.005)
        save(self, *args, **kwargs)

    monkeypatch.setattr(AttemptCounter, "save", slow)


def attempt(email: str, password: str, **headers: Any) -> int:
    try:
        body = {"email": email, "password": password}
        return int(Client(**headers).post("/api/v1/login", body, content_type="application/json").status_code)
    finally:
        connections.close_all()


def test_200_parallel_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cast()
    door = SlowDoor()
    monkeypatch.setattr("accounts.services.logins.authenticate", door)
    dawdle(monkeypatch)
    with ThreadPoolExecutor(32) as pool:
        codes = list(
            pool.map(
                lambda n: attempt(
                    "olivia@acme.example",
                    f"guess {n}",
                    REMOTE_ADDR="203.0.113.9",
                    HTTP_X_FORWARDED_FOR=f"198.51.100.{n}",
                ),
                range(200),
            )
        )
    assert codes.count(401) == door.count == settings.LOGIN_LIMIT_PER_ACCOUNT
    assert codes.count(429) == 200 - settings.LOGIN_LIMIT_PER_ACCOUNT
    assert attempt("olivia@acme.example", PASSWORD, REMOTE_ADDR="203.0.113.10") == 200


def test_good_logins_in_parallel_leave_the_counters_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cast()
    door = SlowDoor()
    monkeypatch.setattr("accounts.services.logins.authenticate", door)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: attempt("olivia@acme.example", PASSWORD), range(24)))
    assert codes == [200] * 24
    assert set(AttemptCounter.objects.values_list("count", flat=True)) == {0}


def test_reservations_and_returns_never_wait_for_each_other() -> None:
    limits = [limit_of(kind, "x", most=10_000) for kind in ("address", "pair", "account")]

    def sign_in_often(_: int) -> None:
        try:
            for _ in range(30):
                attempt_reserve(*limits)
                attempt_return(*limits)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(sign_in_often, range(12)))
    assert set(AttemptCounter.objects.values_list("count", flat=True)) == {0}


def test_only_a_few_passwords_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts import hashing

    make_cast()
    door = SlowDoor()
    monkeypatch.setattr("accounts.services.logins.authenticate", door)
    with ThreadPoolExecutor(24) as pool:
        list(pool.map(lambda n: attempt("olivia@acme.example", "x", REMOTE_ADDR=f"203.0.113.{n}"), range(48)))
    assert door.count == 48
    assert door.most_at_once <= hashing.AT_ONCE


def test_who_waits_too_long_for_a_hash_is_told_and_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts import hashing

    make_cast()
    monkeypatch.setattr(hashing, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(hashing, "_slots", threading.BoundedSemaphore(1))
    with hashing.hashing_slot():
        assert attempt("olivia@acme.example", PASSWORD) == 503
    assert set(AttemptCounter.objects.values_list("count", flat=True)) == {0}
    assert attempt("olivia@acme.example", PASSWORD) == 200


@pytest.mark.usefixtures("redis_away")
def test_guesses_are_limited_while_redis_is_away(settings: Any) -> None:
    cast = make_cast()
    settings.LOGIN_LIMIT_PER_ACCOUNT = 3
    assert attempt(cast.owner.email, PASSWORD) == 200
    assert [attempt(cast.owner.email, "a guess") for _ in range(5)] == [401] * 3 + [429] * 2
    page = Client().post("/login/", {"email": cast.operator.email, "password": PASSWORD})
    assert (page.status_code, page["Location"]) == (302, "/")


@pytest.mark.parametrize("kind", ["totp", "recovery"])
def test_of_many_that_use_one_code_one_gets_in(settings: Any, kind: str) -> None:
    settings.SECOND_FACTOR_LIMIT = 100
    user = make_cast().owner
    secret, codes = add_app(user)
    code = next_code(secret) if kind == "totp" else codes[0]

    def try_it(_number: int) -> bool:
        try:
            code_check(user=user, code=code)
        except BadCode:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(12) as threads:
        assert sum(threads.map(try_it, range(24))) == 1


def test_of_many_guesses_no_more_are_looked_at_than_the_limit(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SECOND_FACTOR_LIMIT = 5
    dawdle(monkeypatch)
    user = make_cast().owner
    add_app(user)

    def guess(_number: int) -> type[Exception]:
        try:
            code_check(user=user, code="000000")
        except (BadCode, TooManyAttempts) as error:
            return type(error)
        finally:
            connections.close_all()
        raise AssertionError("a guess that hit")

    with ThreadPoolExecutor(12) as threads:
        results = list(threads.map(guess, range(30)))
    assert results.count(BadCode) == 5
