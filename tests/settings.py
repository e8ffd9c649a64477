"""Eve's settings for tests: the real ones, read from an environment that needs nothing from outside."""

import atexit
import os

from tests.services.root import service_root_create

os.environ.setdefault("EVE_SECRET_KEY", "tests-only-" + "0123456789abcdef" * 4)
if "EVE_STATE_DIR" not in os.environ:  # it is there in the workers, which inherit it
    _state = service_root_create("state")
    atexit.register(_state.close)
    os.environ["EVE_STATE_DIR"] = str(_state.path)
os.environ.setdefault("EVE_EMAIL_URL", "memorymail://")
if "REDIS_URL" in os.environ:
    # Workers that share a Redis would hear each other's groups, and empty each other's cache. What started them set its own.
    _redis = os.environ["REDIS_URL"].partition("?")[0]
    os.environ["REDIS_URL"] = f"{_redis}?db={os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw')}"

from eve_site.settings import *  # noqa: F403
from eve_site.settings import DATABASES, PASSWORD_HASHERS, STATE_DIR

PASSWORD_HASHERS = ["tests.hashing.QuickArgon2", *PASSWORD_HASHERS[1:]]

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, as in production: connections of several threads wait for each other instead of failing.
    DATABASES["default"]["TEST"] = {"NAME": str(STATE_DIR / "test.sqlite3")}

THREADS_KEEP_CONNECTIONS_SECONDS = 0  # a test database is not dropped while somebody is connected
