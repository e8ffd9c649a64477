"""``manage.py ca_revoke``: puts a certificate on the deny-list."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors.services import certificate_revoke


class Command(BaseCommand):
    """Shuts out whoever has the certificate, at once."""

    help = _("Revoke a certificate by its serial. A host that is pinned to it is shut out at once.")

    def add_arguments(self, parser: CommandParser) -> None:
        """``SERIAL --reason TEXT``"""
        parser.add_argument(
            "serial", metavar="SERIAL", help=_("hexadecimal, as ca_show, ca_verify and the pages show it")
        )
        parser.add_argument("--reason", default="", help=_("kept with the certificate and in the audit"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        try:
            row = certificate_revoke(serial=options["serial"], reason=options["reason"])
        except EveError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_("Revoked %(serial)s (%(subject)s).") % {"serial": row.serial, "subject": row.subject})
        if not settings.REDIS_URL:
            words = _("Without Redis a running Eve is not told: consoles that are open end within %(seconds)d seconds.")
            self.stdout.write(words % {"seconds": settings.CONSOLE_RECHECK_SECONDS})
