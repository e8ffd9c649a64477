"""What is done with the files of images in a pool's folder: written, hashed, read, copied. Blocking but for :func:`write_all`."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import AsyncIterator

from eve_agent.driver.pools.folder import IMAGE_MODE, PoolFolder, as_pool_error, image_name
from eve_agent.driver.pools.qemu_img import QemuImg
from eve_agent.errors import ImageNotFound
from eve_agent.wire.storage import DIGEST_BYTES

from .jobs import JobCancelled, JobRun
from .threads import in_thread

PIECE_BYTES = 2**20
"""How much is gathered before it is written."""


async def write_all(descriptor: int, pieces: AsyncIterator[bytes], offset: int, folder: PoolFolder) -> int:
    """Writes what comes, a MiB at a time, and flushes it; where it ended."""
    waiting = bytearray()
    try:
        async for piece in pieces:
            waiting += piece
            if len(waiting) >= PIECE_BYTES:
                offset += await in_thread(_write, descriptor, bytes(waiting), offset, folder)
                waiting.clear()
    finally:
        # What came before a connection broke is kept as well: the next request goes on there.
        if waiting:
            offset += await in_thread(_write, descriptor, bytes(waiting), offset, folder)
        await in_thread(os.fdatasync, descriptor)
    return offset


def _write(descriptor: int, data: bytes, offset: int, folder: PoolFolder) -> int:
    folder.require_space(len(data))
    written = 0
    while written < len(data):
        try:
            written += os.pwrite(descriptor, data[written:], offset + written)
        except OSError as error:
            raise as_pool_error(error, "the image") from error
    return written


def hashed(folder: PoolFolder, name: str, run: JobRun, *, with_digests: bool) -> tuple[str, str]:
    """SHA-256 of the file, and of the digests of each :data:`DIGEST_BYTES` of it where asked for, in one reading; hashlib lets other threads run meanwhile."""
    whole, digests = hashlib.sha256(), hashlib.sha256()
    descriptor = folder.open(name, os.O_RDONLY)
    try:
        run.begin("hashing", os.fstat(descriptor).st_size)
        done = 0
        while data := os.pread(descriptor, DIGEST_BYTES, done):
            whole.update(data)
            if with_digests:
                digests.update(hashlib.sha256(data).digest())
            done += len(data)
            run.advance(done)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return whole.hexdigest(), digests.hexdigest()


def read(folder: PoolFolder, image_uuid: uuid.UUID, offset: int, length: int) -> bytes:
    """At most `length` bytes of a whole image. Raises ImageNotFound."""
    try:
        descriptor = folder.open(image_name(image_uuid), os.O_RDONLY)
    except FileNotFoundError:
        raise ImageNotFound("The pool has no such image.") from None
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)


def flatten(folder: PoolFolder, source: str, target: str, run: JobRun) -> None:
    """Makes one file of a disk and of all that it is over. Raises JobCancelled."""
    run.begin("copying")
    folder.unlink(target)
    finished = False
    try:
        finished = QemuImg(folder.descriptor).flatten(
            source, target, progress=run.show_percent, is_cancelled=lambda: run.is_cancelled
        )
    finally:
        if not finished:
            folder.unlink(target)
    if not finished:
        raise JobCancelled
    descriptor = folder.open(target, os.O_RDONLY)
    try:
        os.fchmod(descriptor, IMAGE_MODE)
    finally:
        os.close(descriptor)


def copy(folder: PoolFolder, source: str, target: str, run: JobRun) -> None:
    """Copies a file by the kernel. Raises NoSpace."""
    folder.unlink(target)
    finished = False
    try:
        with os.fdopen(folder.open(source, os.O_RDONLY), "rb", buffering=0) as opened:
            size_bytes = os.fstat(opened.fileno()).st_size
            folder.require_space(size_bytes)
            run.begin("copying", size_bytes)
            write = folder.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=IMAGE_MODE)
            try:
                done = 0
                while sent := os.sendfile(write, opened.fileno(), done, 16 * PIECE_BYTES):
                    done += sent
                    run.advance(done)
            except OSError as error:
                raise as_pool_error(error, "the image") from error
            finally:
                os.close(write)
        finished = True
    finally:
        if not finished:
            folder.unlink(target)
