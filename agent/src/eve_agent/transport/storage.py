"""What the paths of storage and jobs do: decode, ask one service or the driver, encode."""

from __future__ import annotations

from typing import Any

import structlog
from aiohttp import web

from eve_agent.driver.base import Driver
from eve_agent.service.image_files import PIECE_BYTES
from eve_agent.service.images import MAX_READ_BYTES, Images
from eve_agent.service.jobs import Jobs
from eve_agent.wire.storage import DiskSpec, ImageCopy, ImageFetch, ImageFinish, SeedSpec

from .http import Call, answer

MAX_SEED_BODY_BYTES = 512 * 1024
"""A seed's texts, as JSON may write them."""

log = structlog.get_logger(__name__)


class StorageHandlers:
    """Pools, disks and seeds."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def pools(self, _call: Call) -> web.StreamResponse:
        """``GET /storage``"""
        return answer(await self._driver.pools())

    async def volumes(self, call: Call) -> web.StreamResponse:
        """``GET /storage/{pool}/volumes``"""
        return answer(await self._driver.volumes(call.names["pool"]))

    async def disk(self, call: Call) -> web.StreamResponse:
        """``GET …/disks/{disk}``"""
        return answer(await self._driver.disk(call.names["pool"], call.ids["disk"]))

    async def make_disk(self, call: Call) -> web.StreamResponse:
        """``PUT …/disks/{disk}``"""
        wanted = await call.body(DiskSpec)
        status = await self._driver.make_disk(call.names["pool"], call.ids["disk"], wanted)
        _log("disk_made", call, operation=wanted.operation_id, size_bytes=status.size_bytes)
        return answer(status)

    async def delete_disk(self, call: Call) -> web.StreamResponse:
        """``DELETE …/disks/{disk}``"""
        deleted = await self._driver.delete_disk(call.names["pool"], call.ids["disk"])
        _log("disk_deleted", call, was_there=deleted.was_there)
        return answer(deleted)

    async def make_seed(self, call: Call) -> web.StreamResponse:
        """``PUT …/seeds/{uuid}``: its contents are nobody's business, the log's included."""
        wanted = await call.body(SeedSpec, limit_bytes=MAX_SEED_BODY_BYTES)
        status = await self._driver.make_seed(call.names["pool"], call.ids["uuid"], wanted)
        _log("seed_made", call, operation=wanted.operation_id)
        return answer(status)

    async def delete_seed(self, call: Call) -> web.StreamResponse:
        """``DELETE …/seeds/{uuid}``"""
        deleted = await self._driver.delete_seed(call.names["pool"], call.ids["uuid"])
        _log("seed_deleted", call, was_there=deleted.was_there)
        return answer(deleted)


class ImageHandlers:
    """Images of pools."""

    def __init__(self, images: Images) -> None:
        self._images = images

    async def status(self, call: Call) -> web.StreamResponse:
        """``GET …/images/{image}``"""
        return answer(await self._images.status(call.names["pool"], call.ids["image"]))

    async def fetch(self, call: Call) -> web.StreamResponse:
        """``PUT …/images/{image}``"""
        wanted = await call.body(ImageFetch)
        _log("image_fetch", call, operation=wanted.operation_id)
        return answer(await self._images.fetch(call.names["pool"], call.ids["image"], wanted))

    async def send(self, call: Call) -> web.StreamResponse:
        """``PUT …/images/{image}/data``: written as it comes; the sender waits for the disk."""
        status = await self._images.send(
            call.names["pool"],
            call.ids["image"],
            call.request.content.iter_chunked(PIECE_BYTES),
            offset=call.number("offset", default=0),
            length=call.request.content_length,
        )
        return answer(status)

    async def read(self, call: Call) -> web.StreamResponse:
        """``GET …/images/{image}/data``"""
        data = await self._images.read(
            call.names["pool"],
            call.ids["image"],
            offset=call.number("offset", default=0),
            length=call.number("length", default=MAX_READ_BYTES),
        )
        return web.Response(body=data, content_type="application/octet-stream")

    async def finish(self, call: Call) -> web.StreamResponse:
        """``POST …/images/{image}/finish``"""
        wanted = await call.body(ImageFinish)
        _log("image_finish", call, operation=wanted.operation_id)
        return answer(await self._images.finish(call.names["pool"], call.ids["image"], wanted))

    async def copy(self, call: Call) -> web.StreamResponse:
        """``POST …/images/{image}/copy``"""
        wanted = await call.body(ImageCopy)
        _log("image_copy", call, operation=wanted.operation_id)
        return answer(await self._images.copy(call.names["pool"], call.ids["image"], wanted))

    async def delete(self, call: Call) -> web.StreamResponse:
        """``DELETE …/images/{image}``"""
        deleted = await self._images.delete(call.names["pool"], call.ids["image"])
        _log("image_deleted", call, was_there=deleted.was_there)
        return answer(deleted)


class JobHandlers:
    """What takes longer than a request."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def report(self, call: Call) -> web.StreamResponse:
        """``GET /jobs/{operation}``"""
        return answer(self._jobs.report(call.ids["operation"]))

    async def cancel(self, call: Call) -> web.StreamResponse:
        """``DELETE /jobs/{operation}``"""
        return answer(self._jobs.cancel(call.ids["operation"]))


def _log(event: str, call: Call, **fields: Any) -> None:
    ids = {name: str(value) for name, value in call.ids.items()}
    words = {name: str(value) if name == "operation" else value for name, value in fields.items() if value is not None}
    log.info(event, pool=call.names["pool"][:60], **ids, **words)
