"""How much of the API one user may ask for."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

from accounts.api import throttles
from tests.cast import Cast

ME = "/api/v1/me"


@pytest.fixture(autouse=True)
def five(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute that does not end in the middle of a test."""
    settings.API_REQUESTS_PER_MINUTE = 5
    be_at(monkeypatch, time.time() // 60 * 60 + 10)


def be_at(monkeypatch: pytest.MonkeyPatch, now: float) -> None:
    monkeypatch.setattr(throttles, "time", SimpleNamespace(time=lambda: now))


def test_one_user_is_told_to_wait_and_others_are_not(cast: Cast) -> None:
    one, other = cast.api(cast.owner), cast.api(cast.owner)
    assert {one.get(ME).status_code for _ in range(3)} == {other.get(ME).status_code for _ in range(2)} == {200}
    answer = one.get(ME)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["limit"]) == (429, "too_many_requests", 5)
    assert answer.headers["Retry-After"] == "50"
    assert problem["retry_after"] == 50
    assert cast.pages(cast.owner).get(ME).status_code == 429, "whichever way they come"
    assert cast.api(cast.operator).get(ME).status_code == 200


def test_the_next_minute_is_another(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    api = cast.api(cast.owner)
    assert [api.get(ME).status_code for _ in range(6)][-1] == 429
    be_at(monkeypatch, throttles.time.time() + 60)
    assert api.get(ME).status_code == 200


def test_writes_count_and_are_not_done(cast: Cast) -> None:
    api = cast.api(cast.owner)
    answers = [api.post("/api/v1/projects", {"name": f"p{number}"}, format="json") for number in range(6)]
    assert answers[-1].status_code == 429
    assert not cast.owner.memberships.filter(project__name="p5").exists()


def test_pages_do_not_count(cast: Cast) -> None:
    client = cast.pages(cast.owner)
    assert {client.get("/profile/").status_code for _ in range(7)} == {200}


def test_zero_is_any_number(cast: Cast, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    api = cast.api(cast.owner)
    assert {api.get(ME).status_code for _ in range(8)} == {200}


def test_nothing_is_refused_while_the_cache_is_away(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object, **_fields: object) -> int:
        raise RedisAway

    api = cast.api(cast.owner)
    monkeypatch.setattr("common.cache.cache", SimpleNamespace(add=lambda *_: False, incr=away))
    assert {api.get(ME).status_code for _ in range(8)} == {200}
