"""Eve's own code in this process, as in production but for what is throw-away: state folder, keys and database."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

DATABASES = ("sqlite", "postgres")


@contextmanager
def scratch_eve(database: str) -> Iterator[None]:
    """Django is set up and the database migrated within the block; once a process.

    Args:
        database: ``sqlite`` (a file, as ``make run`` has it) or ``postgres`` (a server of its own).
    """
    import django  # noqa: PLC0415  (its settings read the environment that is made here)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eve-bench-")))
        environment = {
            "DJANGO_SETTINGS_MODULE": "eve_site.settings",
            "EVE_STATE_DIR": str(folder),
            "EVE_SECRET_KEY": secrets.token_urlsafe(48),
            "EVE_PUBLIC_URL": "http://127.0.0.1:8000",
            "EVE_LOG_LEVEL": "WARNING",
        }
        if database == "postgres":
            from tests.services import databases  # noqa: PLC0415

            environment["DATABASE_URL"] = stack.enter_context(databases.postgres())
        os.environ.update(environment)
        django.setup()
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connections  # noqa: PLC0415

        stack.callback(connections.close_all)
        call_command("migrate", "--noinput", "--verbosity=0")
        call_command("collectstatic", "--noinput", "--verbosity=0")
        yield
