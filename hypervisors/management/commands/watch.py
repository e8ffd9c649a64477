"""``manage.py watch``: a watcher process of its own."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors.watcher import watch_forever


class Command(BaseCommand):
    """Watches hosts until SIGTERM or SIGINT. Several may run: they share the hosts."""

    help = _("Watch the hypervisors: their events, inventory and certificates. Several may run at once.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        try:
            uvloop.run(_watch())
        except EveError as error:
            raise CommandError(str(error)) from error


async def _watch() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await watch_forever(stop)
