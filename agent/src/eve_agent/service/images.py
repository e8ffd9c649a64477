"""Images come into a pool: sent piece by piece, fetched, or made of what is there. Whole and checked, or not at all.

An image grows as ``{uuid}.part`` and becomes ``{uuid}.img`` by one rename, after its size, checksum and format were found
right. So a killed agent leaves a part, which is resumed or deleted, and never a wrong image.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import structlog

from eve_agent.driver.base import Driver
from eve_agent.driver.pools.folder import IMAGE_MODE, PoolFolder, disk_name, image_name, part_name
from eve_agent.driver.pools.qemu_img import QemuImg
from eve_agent.errors import (
    ChecksumMismatch,
    FetchFailed,
    ImageInvalid,
    ImageNotFound,
    JobRunning,
    NoSpace,
    OffsetMismatch,
    VolumeNotFound,
)
from eve_agent.wire.storage import Deleted, ImageCopy, ImageFetch, ImageFinish, ImageFormat, ImageState, ImageStatus

from . import fetch, image_files
from .jobs import JobRun, Jobs, Work
from .threads import in_thread

FETCH_ATTEMPTS = 5
RETRY_SECONDS = 1.0
MAX_READ_BYTES = 16 * 2**20

log = structlog.get_logger(__name__)
Key = tuple[str, uuid.UUID]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out about a whole image."""

    sha256: str
    virtual_bytes: int


@dataclass(slots=True)
class _Source:
    """What a server said of the file that is being fetched."""

    etag: str


@dataclass(frozen=True, slots=True)
class _Promised:
    """What a file is to be, by whoever sent or named it; empty digests: not known."""

    format: ImageFormat
    sha256: str = ""
    digests_sha256: str = ""


class Images:
    """The images of all pools of a host. Used on the event loop's thread; files are touched in others."""

    def __init__(self, driver: Driver, jobs: Jobs) -> None:
        self._driver = driver
        self._jobs = jobs
        self._busy: dict[Key, uuid.UUID | None] = {}
        self._known: dict[Key, _Known] = {}

    async def status(self, pool: str, image_uuid: uuid.UUID) -> ImageStatus:
        """Raises PoolNotFound, PoolUnusable, ImageNotFound."""
        with await self._driver.pool_folder(pool) as folder:
            return await in_thread(self._status, folder, pool, image_uuid)

    async def send(
        self, pool: str, image_uuid: uuid.UUID, pieces: AsyncIterator[bytes], *, offset: int, length: int | None
    ) -> ImageStatus:
        """Writes `pieces` (`length` bytes, where that is known) from `offset` on.

        Raises PoolNotFound, PoolUnusable, OffsetMismatch, NoSpace, JobRunning.
        """
        key = (pool, image_uuid)
        with await self._driver.pool_folder(pool) as folder, self._claimed(key, None):
            if folder.size(image_name(image_uuid)) is not None:
                return self._status(folder, pool, image_uuid)
            there = folder.size(part_name(image_uuid)) or 0
            if offset > there:
                raise OffsetMismatch(f"{there} bytes of the image are here; the next byte is that, not {offset}.")
            if length is not None:
                folder.require_space(length - (there - offset))
            descriptor = folder.open(part_name(image_uuid), os.O_RDWR | os.O_CREAT, mode=IMAGE_MODE)
            try:
                await in_thread(os.ftruncate, descriptor, offset)
                await image_files.write_all(descriptor, pieces, offset, folder)
            finally:
                await in_thread(os.close, descriptor)
        return await self.status(pool, image_uuid)

    async def read(self, pool: str, image_uuid: uuid.UUID, *, offset: int, length: int) -> bytes:
        """At most `length` bytes of a whole image from `offset` on. Raises PoolNotFound, PoolUnusable, ImageNotFound."""
        with await self._driver.pool_folder(pool) as folder:
            return await in_thread(image_files.read, folder, image_uuid, offset, min(length, MAX_READ_BYTES))

    async def fetch(self, pool: str, image_uuid: uuid.UUID, wanted: ImageFetch) -> ImageStatus:
        """Begins the job of fetching it. Raises PoolNotFound, PoolUnusable, AddressRefused, JobRunning."""
        fetch.check_url(wanted.url)

        async def work(folder: PoolFolder, run: JobRun) -> None:
            await self._fetched(folder, image_uuid, wanted, run)
            promised = _Promised(wanted.format, sha256=wanted.sha256)
            await in_thread(self._settle, folder, (pool, image_uuid), promised, run)

        return await self._work_on(pool, image_uuid, wanted.operation_id, wanted.format, work)

    async def finish(self, pool: str, image_uuid: uuid.UUID, wanted: ImageFinish) -> ImageStatus:
        """Begins the job of checking what was sent. Raises PoolNotFound, PoolUnusable, ImageNotFound, OffsetMismatch, JobRunning."""

        async def work(folder: PoolFolder, run: JobRun) -> None:
            promised = _Promised(wanted.format, sha256=wanted.sha256, digests_sha256=wanted.digests_sha256)
            await in_thread(self._settle, folder, (pool, image_uuid), promised, run)

        with await self._driver.pool_folder(pool) as folder:
            if folder.size(image_name(image_uuid)) is None and self._busy.get((pool, image_uuid)) is None:
                there = folder.size(part_name(image_uuid))
                if there is None:
                    raise ImageNotFound("Nothing of that image was sent to this pool.")
                if there != wanted.size_bytes:
                    raise OffsetMismatch(
                        f"{there} bytes of the image are here, not {wanted.size_bytes}; send the rest."
                    )
        return await self._work_on(pool, image_uuid, wanted.operation_id, wanted.format, work)

    async def copy(self, pool: str, image_uuid: uuid.UUID, wanted: ImageCopy) -> ImageStatus:
        """Begins the job of making it of a disk or file of the pool. Raises PoolNotFound, PoolUnusable, VolumeNotFound, VolumeInUse."""
        source = disk_name(wanted.disk_uuid) if wanted.disk_uuid is not None else wanted.volume
        if wanted.disk_uuid is not None:
            await self._driver.require_idle_disk(pool, wanted.disk_uuid)
        declared = ImageFormat.QCOW2 if wanted.disk_uuid is not None else wanted.format

        async def work(folder: PoolFolder, run: JobRun) -> None:
            make = image_files.flatten if wanted.disk_uuid is not None else image_files.copy
            await in_thread(make, folder, source, part_name(image_uuid), run)
            await in_thread(self._settle, folder, (pool, image_uuid), _Promised(declared), run)

        with await self._driver.pool_folder(pool) as folder:
            if folder.size(source) is None:
                raise VolumeNotFound("The pool has no such disk or file.")
        return await self._work_on(pool, image_uuid, wanted.operation_id, declared, work)

    async def delete(self, pool: str, image_uuid: uuid.UUID) -> Deleted:
        """Deletes the image or its part. Raises PoolNotFound, PoolUnusable, ImageInUse, JobRunning."""
        key = (pool, image_uuid)
        with await self._driver.pool_folder(pool) as folder, self._claimed(key, None):
            was_part = await in_thread(folder.unlink, part_name(image_uuid))
            deleted = await self._driver.delete_image(pool, image_uuid)
            self._known.pop(key, None)
        return Deleted(was_there=was_part or deleted.was_there)

    async def _work_on(
        self,
        pool: str,
        image_uuid: uuid.UUID,
        operation_id: uuid.UUID,
        declared: ImageFormat,
        work: Callable[[PoolFolder, JobRun], Awaitable[None]],
    ) -> ImageStatus:
        """Begins `work` as a job, unless the image is whole or that job runs already."""
        key = (pool, image_uuid)
        folder = await self._driver.pool_folder(pool)
        with contextlib.ExitStack() as stack:
            stack.enter_context(folder)
            if folder.size(image_name(image_uuid)) is not None:
                if key not in self._known:
                    found = await in_thread(QemuImg(folder.descriptor).inspect, image_name(image_uuid), declared)
                    self._known[key] = _Known(sha256="", virtual_bytes=found.virtual_bytes)
                return self._status(folder, pool, image_uuid)
            if self._busy.get(key) != operation_id:
                stack.enter_context(self._claimed(key, operation_id))
                resources = stack.pop_all()
                self._jobs.begin(operation_id, _with_resources(resources, folder, work))
            return ImageStatus(
                image_uuid=image_uuid,
                state=ImageState.WORKING,
                size_bytes=_size(folder, image_uuid),
                job=operation_id,
            )

    @contextlib.contextmanager
    def _claimed(self, key: Key, operation_id: uuid.UUID | None) -> Iterator[None]:
        """Only one request or job writes to an image at a time. Raises JobRunning."""
        if key in self._busy:
            raise JobRunning("Another request or job works on that image just now; wait for its end.")
        self._busy[key] = operation_id
        try:
            yield
        finally:
            del self._busy[key]

    def _status(self, folder: PoolFolder, pool: str, image_uuid: uuid.UUID) -> ImageStatus:
        key = (pool, image_uuid)
        job = self._busy.get(key)
        whole = folder.size(image_name(image_uuid))
        if whole is not None:
            known = self._known.get(key, _Known(sha256="", virtual_bytes=0))
            return ImageStatus(
                image_uuid=image_uuid,
                state=ImageState.READY,
                size_bytes=whole,
                virtual_bytes=known.virtual_bytes,
                sha256=known.sha256,
                job=job,
            )
        part = folder.size(part_name(image_uuid))
        if part is None and job is None:
            raise ImageNotFound("The pool has no such image.")
        state = ImageState.PARTIAL if job is None else ImageState.WORKING
        return ImageStatus(image_uuid=image_uuid, state=state, size_bytes=part or 0, job=job)

    async def _fetched(self, folder: PoolFolder, image_uuid: uuid.UUID, wanted: ImageFetch, run: JobRun) -> None:
        """Fetches into the part; goes on where it was after a connection broke, and after an agent that ended."""
        name = part_name(image_uuid)
        if not wanted.sha256:
            await in_thread(folder.unlink, name)  # nothing could tell whether it belongs to the same file
        source = _Source(etag="")
        for attempt in range(1, FETCH_ATTEMPTS + 1):
            descriptor = folder.open(name, os.O_RDWR | os.O_CREAT, mode=IMAGE_MODE)
            try:
                await _fetch_once(folder, descriptor, wanted, source, run)
            except (FetchFailed, aiohttp.ClientError, OSError, TimeoutError) as error:
                failure = error if isinstance(error, FetchFailed) else fetch.as_fetch_error(error)
                if attempt == FETCH_ATTEMPTS or not os.fstat(descriptor).st_size:
                    raise failure from error
                log.info("fetch_interrupted", image=str(image_uuid), why=str(failure))
                await asyncio.sleep(RETRY_SECONDS * attempt)
            else:
                return
            finally:
                await in_thread(os.close, descriptor)

    def _settle(self, folder: PoolFolder, key: Key, promised: _Promised, run: JobRun) -> None:
        """Checks the part and makes it the image; a part that is wrong is deleted."""
        _, image_uuid = key
        part = part_name(image_uuid)
        try:
            is_compared = bool(promised.digests_sha256)
            digest, digests = image_files.hashed(folder, part, run, with_digests=is_compared)
            if promised.sha256 and digest != promised.sha256:
                raise ChecksumMismatch(
                    f"The image's SHA-256 is {digest}, not {promised.sha256}: it is another file, or was damaged."
                )
            if is_compared and digests != promised.digests_sha256:
                raise ChecksumMismatch(
                    "What is here is not the file that was sent last: a part is of another, or damaged."
                )
            run.begin("checking")
            found = QemuImg(folder.descriptor).inspect(part, promised.format)
        except (ChecksumMismatch, ImageInvalid):
            folder.unlink(part)
            raise
        folder.rename(part, image_name(image_uuid))
        run.sha256 = digest
        self._known[key] = _Known(sha256=digest, virtual_bytes=found.virtual_bytes)


def _with_resources(
    resources: contextlib.ExitStack, folder: PoolFolder, work: Callable[[PoolFolder, JobRun], Awaitable[None]]
) -> Work:
    async def carry_out(run: JobRun) -> None:
        with resources:
            await work(folder, run)

    return carry_out


async def _fetch_once(folder: PoolFolder, descriptor: int, wanted: ImageFetch, source: _Source, run: JobRun) -> None:
    """One request for what is missing yet. Raises FetchFailed where the connection broke before its end."""
    offset = os.fstat(descriptor).st_size
    if not source.etag and not wanted.sha256:
        offset = 0  # nothing could tell whether the rest belongs to the same file
    opened = fetch.opened(wanted.url, offset=offset, etag=source.etag, allow_private=wanted.allow_private)
    async with opened as response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            offset = 0
            await in_thread(os.ftruncate, descriptor, 0)
        source.etag = response.headers.get("ETag", "")
        expected = response.content_length
        total_bytes = offset + expected if expected is not None else 0
        run.begin("fetching", total_bytes)
        if max(total_bytes, offset) > wanted.max_bytes:
            raise NoSpace(f"The image has more than the {wanted.max_bytes} bytes that are allowed.")
        if expected is not None:
            folder.require_space(expected)
        end = await image_files.write_all(descriptor, _counted(response, offset, wanted, run), offset, folder)
        if total_bytes and end != total_bytes:
            raise FetchFailed(f"The server broke off after {end} of {total_bytes} bytes.")


async def _counted(
    response: aiohttp.ClientResponse, offset: int, wanted: ImageFetch, run: JobRun
) -> AsyncIterator[bytes]:
    pace = fetch.Pace(wanted.least_bytes_per_second)
    async for piece in response.content.iter_chunked(image_files.PIECE_BYTES):
        pace.advance(len(piece))
        offset += len(piece)
        if offset > wanted.max_bytes:
            raise NoSpace(f"The image has more than the {wanted.max_bytes} bytes that are allowed.")
        run.advance(offset)
        yield piece


def _size(folder: PoolFolder, image_uuid: uuid.UUID) -> int:
    return folder.size(part_name(image_uuid)) or 0
