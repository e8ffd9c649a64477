"""``manage.py ca_sign``: signs a request by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors import pki
from hypervisors.services import certificate_sign_by_hand


class Command(BaseCommand):
    """Signs a PKCS#10 request and writes the certificate to the standard output."""

    help = _("Sign a certificate request by hand. Agents and Eve trust pinned certificates only: enrol hosts instead.")

    def add_arguments(self, parser: CommandParser) -> None:
        """``CSR.pem --name NAME``"""
        parser.add_argument("csr", metavar="CSR.pem", help=_("the request; - reads the standard input"))
        parser.add_argument(
            "--name", action="append", default=[], help=_("DNS name to certify; may be given repeatedly")
        )
        parser.add_argument(
            "--usage", choices=["server", "client"], default="server", help=_("what it is for (%(default)s)")
        )
        parser.add_argument("--days", type=int, default=90, help=_("how long it is valid (%(default)s)"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        try:
            text = sys.stdin.read() if options["csr"] == "-" else Path(options["csr"]).read_text()
            certificate = certificate_sign_by_hand(
                csr_pem=text, names=options["name"], usage=pki.Usage[options["usage"].upper()], days=options["days"]
            )
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['csr']}: {error}") from error
        except EveError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(pki.certificate_pem(certificate).strip())
        self.stderr.write(_("serial %(serial)s") % {"serial": pki.serial_text(certificate)})
