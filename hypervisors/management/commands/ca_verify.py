"""``manage.py ca_verify``: whether a certificate is good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from common.errors import EveError
from hypervisors import pki
from hypervisors.castore import ca_store
from hypervisors.models import Certificate


class Command(BaseCommand):
    """Exit status 0: signed by Eve's CA, valid now, not revoked."""

    help = "Tell whether a certificate is signed by Eve's CA, valid now, and not revoked."

    def add_arguments(self, parser: CommandParser) -> None:
        """``CERT.pem``"""
        parser.add_argument("certificate", metavar="CERT.pem")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        try:
            certificate = pki.load_certificate(Path(options["certificate"]).read_text())
            pki.check_certificate(certificate, ca_store().authority(), now=timezone.now())
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['certificate']}: {error}") from error
        except EveError as error:
            raise CommandError(str(error.detail)) from error
        serial = pki.serial_text(certificate)
        row = Certificate.objects.select_related("hypervisor").filter(serial=serial).first()
        if row is None:
            raise CommandError(
                f"Signed by Eve's CA, but not recorded here (serial {serial}): was the database put back from a backup?"
            )
        if row.revoked_at is not None:
            raise CommandError(
                f"Revoked on {row.revoked_at:%Y-%m-%d %H:%M:%S} UTC: {row.revoked_reason or 'no reason given'}."
            )
        pinned = row.hypervisor is not None and row.fingerprint == row.hypervisor.certificate_fingerprint
        self.stdout.write(
            f"Good until {row.not_after:%Y-%m-%d %H:%M:%S} UTC: {row.get_usage_display()}, {row.subject}, serial {serial}."
        )
        if row.hypervisor is not None:
            self.stdout.write(f"{row.hypervisor}: {'pinned' if pinned else 'not pinned (any more)'}.")
