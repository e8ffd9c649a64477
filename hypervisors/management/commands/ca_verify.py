"""``manage.py ca_verify``: whether a certificate is good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors import pki
from hypervisors.castore import ca_store
from hypervisors.models import Certificate


class Command(BaseCommand):
    """Exit status 0: signed by Eve's CA, valid now, not revoked."""

    help = _("Tell whether a certificate is signed by Eve's CA, valid now, and not revoked.")

    def add_arguments(self, parser: CommandParser) -> None:
        """``CERT.pem``"""
        parser.add_argument("certificate", metavar="CERT.pem", help=_("the certificate"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        try:
            certificate = pki.load_certificate(Path(options["certificate"]).read_text())
            pki.check_certificate(certificate, ca_store().authority(), now=timezone.now())
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['certificate']}: {error}") from error
        except EveError as error:
            raise CommandError(str(error)) from error
        serial = pki.serial_text(certificate)
        row = Certificate.objects.select_related("hypervisor").filter(serial=serial).first()
        if row is None:
            raise CommandError(
                _(
                    "Signed by Eve's CA, but not recorded here (serial %(serial)s): was the database put back from a backup?"
                )
                % {"serial": serial}
            )
        if row.revoked_at is not None:
            raise CommandError(
                _("Revoked on %(time)s UTC: %(why)s.")
                % {"time": f"{row.revoked_at:%Y-%m-%d %H:%M:%S}", "why": row.revoked_reason or _("no reason given")}
            )
        self.stdout.write(
            _("Good until %(time)s UTC: %(usage)s, %(subject)s, serial %(serial)s.")
            % {
                "time": f"{row.not_after:%Y-%m-%d %H:%M:%S}",
                "usage": row.get_usage_display(),
                "subject": row.subject,
                "serial": serial,
            }
        )
        if row.hypervisor is not None:
            is_pinned = row.fingerprint == row.hypervisor.certificate_fingerprint
            said = _("%(name)s is pinned to it.") if is_pinned else _("%(name)s is not pinned to it (any more).")
            self.stdout.write(said % {"name": row.hypervisor})
