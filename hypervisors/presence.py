"""Which watchers of this state directory still live: each holds a lock on a file, which its process's end lets go, however it ends.

A lease alone says so only 15 s later: for so long a server that was killed and started again would not see what happens on its hosts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from django.conf import settings


class Presence:
    """The sign that the watcher `name` lives. Raises OSError where the state directory cannot be written."""

    def __init__(self, name: str) -> None:
        folder = _folder()
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / name
        unnamed = folder / f".{name}"
        self._lock = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unnamed.rename(self._path)  # named once it is locked: a sign without a lock is a dead one's

    def end(self) -> None:
        """The watcher goes, in good order."""
        self._path.unlink(missing_ok=True)
        os.close(self._lock)


def dead_watchers() -> list[str]:
    """Names of watchers that were killed. Each is told once."""
    dead = []
    for path in _folder().glob("[!.]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or alive: its lock is held
            lock = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                dead.append(path.name)
            finally:
                os.close(lock)
    return dead


def _folder() -> Path:
    return Path(settings.STATE_DIR) / "watchers"
