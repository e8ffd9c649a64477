"""``--serve``: Eve and a fake agent for a client of somebody else's."""

from __future__ import annotations

import json
import signal
import threading
from types import FrameType

from .eve import running_eve


class _Stopped(BaseException):
    """SIGTERM or Ctrl-C while Eve was being started."""


def serve(console: str) -> None:
    """Prints ``{"url", "pids"}`` once Eve and agent are up, and ends both at SIGTERM or Ctrl-C."""
    stop = threading.Event()
    is_up = False

    def stopped(number: int, frame: FrameType | None) -> None:
        is_first = not stop.is_set()
        stop.set()
        if is_first and not is_up:
            raise _Stopped

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
    try:
        with running_eve(console) as eve:
            is_up = True
            print(json.dumps({"url": eve.websocket_url, "pids": eve.pids}), flush=True)
            while not stop.wait(1):
                if any(process.poll() is not None for process in eve.processes):
                    raise SystemExit(f"Eve or the agent ended by itself:\n{eve.house.logs()[-4000:]}")
    except _Stopped:
        return
