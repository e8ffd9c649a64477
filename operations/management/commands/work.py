"""``manage.py work``: an operation worker of its own, for installations with several processes."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from operations.worker import work_forever


class Command(BaseCommand):
    """Does operations."""

    help = _(
        "Does operations (starts, stops, …) until SIGTERM or SIGINT. Start any number; each operation is done by one."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Works until it is told to stop."""
        asyncio.run(_work())


async def _work() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await work_forever(stop)
