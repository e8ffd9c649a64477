"""``manage.py serve``: pages, API, websockets, and (unless told otherwise) the watcher and the worker."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from common.sentences import gettext as _
from eve_site.activation import passed_sockets
from eve_site.server import serve


class Command(BaseCommand):
    """Serves Eve."""

    help = _(
        "Serve Eve: pages, API, websockets, and in the same process the watcher of agents and the operation worker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line's options."""
        parser.add_argument("--bind", default=settings.BIND, help=_("address to listen on (EVE_BIND, %(default)s)"))
        parser.add_argument(
            "--port", type=int, default=settings.PORT, help=_("port to listen on (EVE_PORT, %(default)s)")
        )
        parser.add_argument(
            "--web-only",
            action="store_true",
            help=_(
                "leave watching and operations to `manage.py watch` and `manage.py work` (needs PostgreSQL and Redis)"
            ),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serves until it is told to stop."""
        if options["web_only"]:
            os.environ["EVE_EMBEDDED"] = "false"
            settings.EMBEDDED = False
        serve(host=options["bind"], port=options["port"], sockets=passed_sockets())
