"""The folder of a ``dir`` pool: every name is made of a UUID, every path relative to the folder's descriptor, no link is followed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from eve_agent.errors import NoSpace, PoolUnusable
from eve_agent.wire.storage import VolumeKind

RESERVE_BYTES = 16 * 2**20
"""What is left free for the records of those who have their disks there."""
IMAGE_MODE = 0o644
"""Every QEMU of the host reads it, and so does the agent after libvirt gave it to QEMU's user."""
SECRET_MODE = 0o600
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NAMES = (
    (re.compile(r"([0-9a-f-]{36})\.img"), VolumeKind.IMAGE),
    (re.compile(r"([0-9a-f-]{36})\.qcow2"), VolumeKind.DISK),
    (re.compile(r"seed-([0-9a-f-]{36})\.iso"), VolumeKind.SEED),
)
_HALF_WRITTEN = re.compile(r"\.[0-9a-f-]{36}\.new")
_locks: dict[str, threading.RLock] = {}
_locks_guard = threading.Lock()


def image_name(image_uuid: uuid.UUID) -> str:
    """The name of an image that is whole."""
    return f"{image_uuid}.img"


def part_name(image_uuid: uuid.UUID) -> str:
    """The name of an image while it grows and is checked."""
    return f"{image_uuid}.part"


def disk_name(disk_uuid: uuid.UUID) -> str:
    """The name of a disk."""
    return f"{disk_uuid}.qcow2"


def seed_name(vm_uuid: uuid.UUID) -> str:
    """The name of a virtual machine's seed."""
    return f"seed-{vm_uuid}.iso"


def named(name: str) -> tuple[VolumeKind, uuid.UUID | None]:
    """What a file of a pool is to Eve, by its name."""
    for pattern, kind in _NAMES:
        if match := pattern.fullmatch(name):
            with contextlib.suppress(ValueError):
                return kind, uuid.UUID(match[1])
    return VolumeKind.OTHER, None


class PoolFolder:
    """An open folder of a pool, to be closed after use (``with``). Every method blocks; OSError becomes NoSpace or PoolUnusable."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lock = _lock_of(path)
        """Held while images' and disks' ties are looked at and changed: of this agent's threads one at a time."""
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise PoolUnusable(f"The pool's folder {path} cannot be opened: {error.strerror}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """A second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    @property
    def descriptor_path(self) -> str:
        """The folder for a child that inherits its descriptor, whatever becomes of the path meanwhile."""
        return f"/proc/self/fd/{self._fd}"

    @property
    def descriptor(self) -> int:
        """The folder's descriptor, for a child to inherit."""
        return self._fd

    def file_path(self, name: str) -> str:
        """Where libvirt finds the file of that name."""
        return str(Path(self.path) / _checked(name))

    def size(self, name: str) -> int | None:
        """The file's bytes; None where there is no such file, or it is no regular one."""
        try:
            found = os.stat(_checked(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def free_bytes(self) -> int:
        """What may be written there yet."""
        found = os.fstatvfs(self._fd)
        return max(0, found.f_bavail * found.f_frsize - RESERVE_BYTES)

    def require_space(self, size_bytes: int) -> None:
        """Raises NoSpace where `size_bytes` do not go in."""
        free_bytes = self.free_bytes()
        if size_bytes > free_bytes:
            raise NoSpace(f"The pool has {_mib(free_bytes)} MiB free, and {_mib(size_bytes)} MiB are needed.")

    def open(self, name: str, flags: int, *, mode: int = SECRET_MODE) -> int:
        """The descriptor of a regular file that is no link; the caller closes it. Raises FileNotFoundError, NoSpace, PoolUnusable."""
        try:
            descriptor = os.open(
                _checked(name), flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode, dir_fd=self._fd
            )
        except FileNotFoundError:
            raise
        except OSError as error:
            raise as_pool_error(error, name) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise PoolUnusable(f"{name} in the pool is no regular file.")
        return descriptor

    @contextlib.contextmanager
    def writing(self, name: str, *, mode: int = SECRET_MODE) -> Iterator[str]:
        """A fresh name to write to, which becomes `name` at the end, flushed and with `mode`; or goes away after an exception.

        For who holds the :attr:`lock`: whatever lies there half-written is then of an agent that was killed, and is removed.
        """
        self.sweep()
        temporary = f".{uuid.uuid4()}.new"
        try:
            yield temporary
            descriptor = self.open(temporary, os.O_RDONLY)
            try:
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.rename(temporary, name)
        except OSError as error:
            raise as_pool_error(error, name) from error
        finally:
            self.unlink(temporary)

    def rename(self, old: str, new: str) -> None:
        """On the disk when this returns."""
        os.rename(_checked(old), _checked(new), src_dir_fd=self._fd, dst_dir_fd=self._fd)
        os.fsync(self._fd)

    def restrict(self, name: str) -> None:
        """For root's eyes only, as a disk is that nobody runs."""
        descriptor = self.open(name, os.O_RDONLY)
        try:
            os.fchmod(descriptor, SECRET_MODE)
        finally:
            os.close(descriptor)

    def unlink(self, name: str) -> bool:
        """Whether it was there. On the disk when this returns. Raises PoolUnusable."""
        try:
            os.unlink(_checked(name), dir_fd=self._fd)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise as_pool_error(error, name) from error
        os.fsync(self._fd)
        return True

    def names(self) -> list[str]:
        """All that is there."""
        return os.listdir(self._fd)  # noqa: PTH208  (pathlib knows no descriptors)

    def sweep(self) -> None:
        """Removes what a killed agent left half-written. Unfinished images stay: they are resumed."""
        with self.lock:
            for name in self.names():
                if _HALF_WRITTEN.fullmatch(name):
                    self.unlink(name)


def write_whole(folder: PoolFolder, name: str, data: bytes, *, mode: int = SECRET_MODE) -> None:
    """Puts a small file into the pool, in one step. Raises NoSpace, PoolUnusable."""
    folder.require_space(len(data))
    with folder.lock, folder.writing(name, mode=mode) as temporary:
        descriptor = folder.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


def as_pool_error(error: OSError, name: str) -> NoSpace | PoolUnusable:
    """What a failed write or read of a pool's file is in the agent's terms."""
    if error.errno in _FULL:
        return NoSpace("The pool has no space left. Nothing was lost; make room there and try again.")
    if error.errno == errno.ELOOP:
        return PoolUnusable(f"{name} in the pool is a link, which the agent does not follow.")
    return PoolUnusable(f"{name} in the pool: {error.strerror or error}.")


def _checked(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise ValueError(f"{name!r} is no file's name")
    return name


def _lock_of(path: str) -> threading.RLock:
    with _locks_guard:
        return _locks.setdefault(os.path.realpath(path), threading.RLock())


def _mib(size_bytes: int) -> int:
    return -(-size_bytes // 2**20)
