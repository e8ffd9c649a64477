"""A folder of its own for each throw-away service, which nothing outlives.

The folder is locked (``flock``) by the process that uses it. The kernel drops that lock however the process ends, so a
later run can tell a folder in use from one that a crash left behind, and removes the latter.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

PREFIX = "eve-test-"
FOLDER = Path(os.environ.get("TMPDIR", "/var/tmp"))
"""On a disk: disks of machines are in there, and in Debian 13 /tmp is memory."""
LOCK_NAME = "in-use"
SMALL = "small"
"""In the folder of a libvirt: a link to a small file system of its own, which is mounted elsewhere."""


@dataclass(frozen=True, slots=True)
class ServiceRoot:
    """A locked folder. Others may pass through it (0711), since services run as users of their own, but not list it."""

    path: Path
    lock_fd: int

    def close(self) -> None:
        """Remove the folder and give the lock up."""
        _remove(self.path)
        os.close(self.lock_fd)


def as_root() -> list[str]:
    """What comes before a command that only root may run: a sudo that does not ask, since `make test` has."""
    return [] if os.geteuid() == 0 else ["sudo", "-n", "--"]


def service_root_create(name: str) -> ServiceRoot:
    """A fresh folder for the service ``name``. Folders of crashed runs are removed on the way."""
    sweep()
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-", dir=FOLDER))
    path.chmod(0o711)
    lock_fd = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock_fd, fcntl.LOCK_EX)
    return ServiceRoot(path, lock_fd)


def sweep() -> list[Path]:
    """Remove folders that no live process holds, and say which."""
    removed: list[Path] = []
    for path in FOLDER.glob(f"{PREFIX}*"):
        try:
            lock_fd = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # another user's, or one that is just being made
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            unmount(path / SMALL)
            _remove(path)
            removed.append(path)
        finally:
            os.close(lock_fd)
    return removed


def unmount(link: Path) -> None:
    """Give up the file system behind ``link``, where there is one."""
    if link.is_symlink():
        mounted = link.readlink()
        subprocess.run([*as_root(), "umount", "--lazy", str(mounted)], check=False, capture_output=True)
        _remove(mounted)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():  # what services wrote as root
        subprocess.run([*as_root(), "rm", "-rf", "--one-file-system", str(path)], check=False, capture_output=True)
