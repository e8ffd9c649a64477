"""A cache without which Eve goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import structlog
from django.core.cache import cache
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)


class DispensableRedisCache(RedisCache):
    """Django's, but while Redis is away it holds nothing and takes nothing, instead of failing whoever asks.

    It is for what can be had again, and for limits that protect from load only. What must not be forgotten (failed
    sign-ins) is counted in the database: :mod:`accounts.throttle`. ``incr`` and ``touch`` therefore fail as Django's do.
    """

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """The value; `default` too while Redis is away."""
        with _dispensable():
            return super().get(key, default, version)
        return default

    def get_many(self, keys: Any, version: int | None = None) -> dict[Any, Any]:
        """What there is of `keys`; nothing while Redis is away."""
        with _dispensable():
            return super().get_many(keys, version)
        return {}

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """Whether there is a value."""
        with _dispensable():
            return super().has_key(key, version)
        return False

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Keeps the value, if Redis is there."""
        with _dispensable():
            super().set(key, value, timeout, version)

    def set_many(self, data: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> list[Any]:
        """Keeps the values; returns the keys of those that it could not keep."""
        with _dispensable():
            return super().set_many(data, timeout, version)
        return list(data)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keeps the value where there is none; whether it did."""
        with _dispensable():
            return super().add(key, value, timeout, version)
        return False

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Forgets the value; whether there was one."""
        with _dispensable():
            return super().delete(key, version)
        return False

    def delete_many(self, keys: Any, version: int | None = None) -> None:
        """Forgets the values."""
        with _dispensable():
            super().delete_many(keys, version)


def count_up(key: str, *, seconds: int) -> int:
    """How often this was called with `key`, in all processes, this time included; forgotten after `seconds`. 0 while Redis is away."""
    try:
        if cache.add(key, 1, seconds):
            return 1
        return cache.incr(key)
    except (OSError, RedisError, ValueError):  # the last: it is away, or the key ended in between
        return 0


@contextlib.contextmanager
def _dispensable() -> Iterator[None]:
    try:
        yield
    except (OSError, RedisError) as error:
        log.warning("cache away", error=type(error).__name__)
