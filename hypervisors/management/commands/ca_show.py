"""``manage.py ca_show``: what Eve's CA and Eve's own certificate are."""

from __future__ import annotations

import json
from typing import Any

from cryptography import x509
from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors import pki
from hypervisors.castore import ca_store


class Command(BaseCommand):
    """Shows fingerprints, serials and dates."""

    help = _("Show Eve's CA and Eve's own certificates: fingerprint, serial, dates.")

    def add_arguments(self, parser: CommandParser) -> None:
        """``--json``, ``--pem``"""
        parser.add_argument("--json", action="store_true", help=_("as one JSON object"))
        parser.add_argument("--pem", action="store_true", help=_("the CA's certificate only, as PEM"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        store = ca_store()
        try:
            authority, following = store.authority(), store.following()
            shown = {"ca": _facts(authority.certificate), "eve": _facts(store.current().certificate)}
            if following is not None:
                shown["eve_next"] = _facts(following.certificate)
        except EveError as error:
            raise CommandError(str(error)) from error
        if options["pem"]:
            self.stdout.write(authority.pem.strip())
        elif options["json"]:
            self.stdout.write(json.dumps({"folder": str(store.folder), **shown}))
        else:
            self.stdout.write(f"folder       {store.folder}")
            for name, facts in shown.items():
                self.stdout.write(f"\n{name}")
                for key, value in facts.items():
                    self.stdout.write(f"  {key:<12} {value}")


def _facts(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "fingerprint": pki.fingerprint(certificate),
        "serial": pki.serial_text(certificate),
        "valid from": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "valid until": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }
