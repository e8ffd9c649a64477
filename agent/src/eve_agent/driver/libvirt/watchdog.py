"""Thaws a guest in time: a process of its own, which outlives the agent.

``python -m eve_agent.driver.libvirt.watchdog URI UUID SECONDS`` waits, then thaws, and goes on trying while libvirt is away. A
guest whose file systems stay frozen stands still for good, so this is no job for a process that may be killed meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass

from eve_agent.errors import LibvirtAway

from .binding import Code, LibvirtError, connect, start_event_thread

RETRY_SECONDS = 1.0
GIVE_UP_SECONDS = 3600.0


@dataclass(slots=True)
class _Watch:
    process: subprocess.Popen[bytes]
    ends_at: dt.datetime
    is_relied_on: bool = True


class Watchdogs:
    """One for each frozen guest. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[uuid.UUID, _Watch] = {}

    def ends_at(self, domain_uuid: uuid.UUID) -> dt.datetime | None:
        """When that guest thaws; None where none waits for it, or it is not known to be frozen."""
        with self._lock:
            watch = self._running.get(domain_uuid)
            if watch is None or watch.process.poll() is not None:
                self._running.pop(domain_uuid, None)
                return None
            return watch.ends_at if watch.is_relied_on else None

    def start(self, uri: str, domain_uuid: uuid.UUID, seconds: int) -> dt.datetime:
        """Begins to wait, in the place of one that does already. Returns the time when it ends."""
        command = [sys.executable, "-m", __spec__.name, uri, str(domain_uuid), str(seconds)]
        process = subprocess.Popen(  # noqa: S603  (the interpreter that runs this, and our own module)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        ends_at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        with self._lock:
            before = self._running.get(domain_uuid)
            self._running[domain_uuid] = _Watch(process, ends_at)
        _end(before)
        return ends_at

    def doubt(self, domain_uuid: uuid.UUID) -> None:
        """The guest did not say whether it froze, or will: it is thawed in time all the same, but nobody may rely on it."""
        with self._lock:
            if (watch := self._running.get(domain_uuid)) is not None:
                watch.is_relied_on = False

    def stop(self, domain_uuid: uuid.UUID) -> None:
        """The guest was thawed: nobody needs to wait."""
        with self._lock:
            watch = self._running.pop(domain_uuid, None)
        _end(watch)


def _end(watch: _Watch | None) -> None:
    if watch is not None:
        watch.process.kill()
        watch.process.wait()


watchdogs = Watchdogs()
"""Those of this process."""


def main(uri: str, domain_uuid: uuid.UUID, seconds: float) -> None:
    """Waits, then thaws; a guest that is off or gone needs it no more."""
    time.sleep(seconds)
    start_event_thread()
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(LibvirtAway):
            connection = connect(uri)
            try:
                connection.lookupByUUID(domain_uuid.bytes).fsThaw(None, 0)
            except LibvirtError as error:
                if error.get_error_code() in (Code.NO_DOMAIN, Code.OPERATION_INVALID):
                    return
            else:
                return
            finally:
                with contextlib.suppress(LibvirtError):
                    connection.close()
        time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], uuid.UUID(sys.argv[2]), float(sys.argv[3]))
