"""``manage.py ca_init``: makes Eve's CA."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors.castore import ca_store
from hypervisors.services import ca_ensure


class Command(BaseCommand):
    """Makes the CA in settings.CA_DIR, unless it is there."""

    help = _("Make Eve's certificate authority, unless it is there already.")

    def add_arguments(self, parser: CommandParser) -> None:
        """``--replace-lost``"""
        parser.add_argument(
            "--replace-lost",
            action="store_true",
            help=_("make another CA where the former one's files are gone; every host has to be enrolled again"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        was_there = ca_store().exists
        try:
            store = ca_ensure(replace_lost=options["replace_lost"])
            fingerprint = store.authority().fingerprint
        except EveError as error:
            raise CommandError(str(error)) from error
        said = _("Eve's CA is in %(folder)s.") if was_there else _("Made Eve's CA in %(folder)s. Keep a backup of it.")
        self.stdout.write(said % {"folder": store.folder})
        self.stdout.write(f"SHA-256 {fingerprint}")
