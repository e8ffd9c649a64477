"""The cache without which Eve goes on, with a real Redis that stops."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from redis.exceptions import RedisError

from common.cache import DispensableRedisCache
from tests.services import databases


@pytest.fixture
def redis() -> Iterator[contextlib.ExitStack]:
    """Closed, Redis is gone."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def cache(redis: contextlib.ExitStack) -> DispensableRedisCache:
    return DispensableRedisCache(redis.enter_context(databases.redis()), {})


def test_it_keeps_what_it_is_given_and_then_nothing(
    cache: DispensableRedisCache, redis: contextlib.ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    cache.set("a", 1)
    assert cache.add("b", 2)
    assert not cache.add("b", 3)
    assert cache.set_many({"c": 4}) == []
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2, "c": 4}
    assert cache.has_key("a")
    assert cache.delete("c")
    assert caplog.text == ""

    redis.close()
    assert cache.get("a", "nothing") == "nothing"
    assert cache.get_many(["a", "b"]) == {}
    assert not cache.has_key("a")
    cache.set("a", 5)
    assert cache.set_many({"a": 5}) == ["a"]
    assert not cache.add("d", 6)
    assert not cache.delete("a")
    cache.delete_many(["a"])
    assert "cache away" in caplog.text


def test_what_counts_is_told(cache: DispensableRedisCache, redis: contextlib.ExitStack) -> None:
    redis.close()
    with pytest.raises(RedisError):
        cache.incr("attempts")
