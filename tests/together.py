"""Many do something at once, as requests and workers do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

START_SECONDS = 10
END_SECONDS = 30


def at_once(*what: Callable[[], Any]) -> None:
    """Each in a thread with a connection of its own, begun together."""
    begin = threading.Barrier(len(what))

    def run(one: Callable[[], Any]) -> None:
        begin.wait(START_SECONDS)
        try:
            one()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(one,)) for one in what]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(END_SECONDS)
