"""``manage.py work``: a worker of its own, for installations with several processes."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from common.sentences import gettext as _
from notifications.courier import deliver_forever
from operations.worker import work_forever


class Command(BaseCommand):
    """Does operations, and delivers notifications."""

    help = _(
        "Do operations (starts, stops, …) and deliver notifications until SIGTERM or SIGINT. "
        "Start any number; each operation and delivery is done by one."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Works until it is told to stop."""
        asyncio.run(_work())


async def _work() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        group.create_task(work_forever(stop))
        group.create_task(deliver_forever(stop))
