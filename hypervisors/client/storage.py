"""Pools, images, disks and seeds of a host."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import BinaryIO
from urllib.parse import urlencode

from eve_agent.wire import paths
from eve_agent.wire.storage import (
    Deleted,
    DiskSpec,
    DiskStatus,
    ImageCopy,
    ImageFetch,
    ImageFinish,
    ImageStatus,
    Pool,
    SeedSpec,
    SeedStatus,
    Volume,
)

from common.sentences import gettext as _
from hypervisors.errors import BadAnswer
from hypervisors.transport import Answer

from .core import Requests

MAX_PIECE_BYTES = 16 * 1024 * 1024
"""The most that :meth:`StorageRequests.image_read` returns at once."""
PIECE_SECONDS = 600.0
"""How long sending or reading one piece may take."""


class StorageRequests(Requests):
    """See :class:`~hypervisors.client.AgentClient`."""

    def pools(self) -> tuple[Pool, ...]:
        """``GET /storage``"""
        return self._list(Pool, paths.STORAGE)

    def volumes(self, pool: str) -> tuple[Volume, ...]:
        """``GET /storage/{pool}/volumes``"""
        return self._list(Volume, paths.fill(paths.VOLUMES, pool=pool))

    def image(self, pool: str, image_uuid: uuid.UUID) -> ImageStatus:
        """``GET …/images/{image}``. Refused with IMAGE_NOT_FOUND where there is not even a part of it."""
        return self._image(image_uuid, self._ask("GET", paths.fill(paths.IMAGE, pool=pool, image=image_uuid)))

    def image_fetch(self, pool: str, image_uuid: uuid.UUID, wanted: ImageFetch) -> ImageStatus:
        """``PUT …/images/{image}``: the agent fetches it, as the job of `wanted.operation_id`."""
        path = paths.fill(paths.IMAGE, pool=pool, image=image_uuid)
        return self._image(image_uuid, self._ask("PUT", path, body=wanted))

    def image_send(
        self, pool: str, image_uuid: uuid.UUID, data: bytes | BinaryIO | Iterable[bytes], *, offset: int
    ) -> ImageStatus:
        """``PUT …/images/{image}/data``: bytes of the image's file from `offset` on, sent as they are read.

        `offset` is where the agent's part ends, or before (what is there is then overwritten). After a failure
        :meth:`image` says how far it came. Refused with OFFSET_MISMATCH, NO_SPACE, JOB_RUNNING.
        """
        path = paths.fill(paths.IMAGE_DATA, pool=pool, image=image_uuid) + "?" + urlencode({"offset": offset})
        kind = "application/octet-stream"
        return self._image(image_uuid, self._send("PUT", path, data, kind=kind, seconds=PIECE_SECONDS))

    def image_read(self, pool: str, image_uuid: uuid.UUID, *, offset: int, length: int = MAX_PIECE_BYTES) -> bytes:
        """``GET …/images/{image}/data``: at most `length` bytes of the image's file from `offset` on; none at its end."""
        query = urlencode({"offset": offset, "length": min(length, MAX_PIECE_BYTES)})
        path = paths.fill(paths.IMAGE_DATA, pool=pool, image=image_uuid)
        return self._ask("GET", f"{path}?{query}", limit=MAX_PIECE_BYTES, seconds=PIECE_SECONDS).body

    def image_finish(self, pool: str, image_uuid: uuid.UUID, wanted: ImageFinish) -> ImageStatus:
        """``POST …/images/{image}/finish``: all bytes are there; the agent checks them, as the job of `wanted.operation_id`."""
        path = paths.fill(paths.IMAGE_FINISH, pool=pool, image=image_uuid)
        return self._image(image_uuid, self._ask("POST", path, body=wanted))

    def image_copy(self, pool: str, image_uuid: uuid.UUID, wanted: ImageCopy) -> ImageStatus:
        """``POST …/images/{image}/copy``: makes it of a disk or file of the pool, as the job of `wanted.operation_id`."""
        path = paths.fill(paths.IMAGE_COPY, pool=pool, image=image_uuid)
        return self._image(image_uuid, self._ask("POST", path, body=wanted))

    def image_delete(self, pool: str, image_uuid: uuid.UUID) -> Deleted:
        """``DELETE …/images/{image}``, also of a part of one. Refused with IMAGE_IN_USE, JOB_RUNNING."""
        return self._decoded(Deleted, self._ask("DELETE", paths.fill(paths.IMAGE, pool=pool, image=image_uuid)))

    def disk(self, pool: str, disk_uuid: uuid.UUID) -> DiskStatus:
        """``GET …/disks/{disk}``. Refused with VOLUME_NOT_FOUND."""
        return self._disk(disk_uuid, self._ask("GET", paths.fill(paths.DISK, pool=pool, disk=disk_uuid)))

    def disk_make(self, pool: str, disk_uuid: uuid.UUID, wanted: DiskSpec) -> DiskStatus:
        """``PUT …/disks/{disk}``: makes it, or grows it. May be repeated without harm."""
        return self._disk(disk_uuid, self._ask("PUT", paths.fill(paths.DISK, pool=pool, disk=disk_uuid), body=wanted))

    def disk_delete(self, pool: str, disk_uuid: uuid.UUID) -> Deleted:
        """``DELETE …/disks/{disk}``. Refused with VOLUME_IN_USE while a domain has it."""
        return self._decoded(Deleted, self._ask("DELETE", paths.fill(paths.DISK, pool=pool, disk=disk_uuid)))

    def seed_make(self, pool: str, vm_uuid: uuid.UUID, wanted: SeedSpec) -> SeedStatus:
        """``PUT …/seeds/{uuid}``: made anew at each call, also in the drive of a running guest."""
        return self._decoded(SeedStatus, self._ask("PUT", paths.fill(paths.SEED, pool=pool, uuid=vm_uuid), body=wanted))

    def _image(self, image_uuid: uuid.UUID, answer: Answer) -> ImageStatus:
        status = self._decoded(ImageStatus, answer)
        if status.image_uuid != image_uuid:
            raise BadAnswer(_("%(name)s answered about another image.") % {"name": self._name})
        return status

    def _disk(self, disk_uuid: uuid.UUID, answer: Answer) -> DiskStatus:
        status = self._decoded(DiskStatus, answer)
        if status.disk_uuid != disk_uuid:
            raise BadAnswer(_("%(name)s answered about another disk.") % {"name": self._name})
        return status
