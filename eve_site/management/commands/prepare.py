"""``manage.py prepare``: makes database and static files those of the installed version. Quick where they are."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import BaseCommand, call_command

from common.sentences import gettext as _


class Command(BaseCommand):
    """Runs before each start: also after a crash, when nobody wants to wait until all files are compressed again."""

    help = _("Migrate the database, and collect static files if any has changed.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepares."""
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        stamp = settings.STATE_DIR / "static-signature"
        signature = _static_signature()
        if stamp.exists() and stamp.read_text() == signature and settings.STATIC_ROOT.is_dir():
            return
        stamp.unlink(missing_ok=True)  # so that one that is killed now is done again
        call_command("collectstatic", interactive=False, verbosity=options["verbosity"])
        stamp.write_text(signature)


def _static_signature() -> str:
    """Changes whenever a static file does, of Eve or of a library."""
    total = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            path = storage.path(name)
            total.update(f"{path} {storage.size(name)} {storage.get_modified_time(name).timestamp()}\n".encode())
    return total.hexdigest()
