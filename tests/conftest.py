"""Fixtures for all tests: the services that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from tests.services import databases

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

    from tests.services.libvirt import LibvirtSandbox
    from tests.services.mortal import MortalRun

pytest_plugins = ["tests.cast"]
SHARING = ("e2e", "security")
"""Folders whose tests share an Eve with all its processes (tests/e2e/house.py)."""
START_SECONDS = 300.0
"""What its start may take where the machine is busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first waits for the Eve that it shares with others: that is not taken from its own time."""
    for item in items:
        if item.path.parent.name in SHARING:
            limit = item.get_closest_marker("timeout")
            seconds = limit.args[0] if limit else float(item.config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(seconds + START_SECONDS), append=False)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, as Eve has it: the one in memory knows neither WAL nor waiting, so threads trip over its locks."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """PostgreSQL emptied row by row after a test that commits, as SQLite is: truncating fifty tables takes twenty times as long."""
    from django.db import connection

    if connection.vendor != "postgresql":
        yield
        return

    def sql_flush(self: Any, _style: Any, tables: Sequence[str], **_: bool) -> list[str]:
        return [f"DELETE FROM {self.quote_name(table)}" for table in tables]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(connection.ops), "sql_flush", sql_flush)
        yield


@pytest.fixture(autouse=True)
def fresh_channel_layer() -> Iterator[None]:
    """A channel layer for each test: Redis' keeps a lock that belongs to the event loop of whoever waited last."""
    yield
    from channels.layers import channel_layers

    channel_layers.backends.clear()


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """Counts of earlier tests, which all come from one address, are no test's matter."""
    from django.core.cache import cache

    cache.clear()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """DATABASE_URL of a throw-away PostgreSQL."""
    with databases.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """REDIS_URL of a throw-away Redis."""
    with databases.redis() as url:
        yield url


@pytest.fixture(scope="session")
def stopped_redis() -> str:
    """REDIS_URL of a Redis that was there and is no more."""
    with databases.redis() as url:
        return url


@pytest.fixture
def redis_away(settings: SettingsWrapper, stopped_redis: str) -> None:
    """Cache and channel layer as with many processes, while their Redis is away."""
    cache = {"BACKEND": "common.cache.DispensableRedisCache", "LOCATION": stopped_redis}
    layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [stopped_redis]}}
    settings.CACHES = {"default": cache}
    settings.CHANNEL_LAYERS = {"default": layer}


@pytest.fixture(scope="session")
def libvirt_sandbox() -> Iterator[LibvirtSandbox]:
    """A private libvirtd with QEMU guests of its own; see ``tests.services.libvirt``."""
    from tests.services.libvirt import libvirt_sandbox as sandbox

    with sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def mortal_run() -> Iterator[MortalRun]:
    """Runs what is killed in the middle; see ``tests.services.mortal``."""
    from tests.services.mortal import mortal_runner

    with mortal_runner() as run:
        yield run
