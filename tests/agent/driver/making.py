"""Shorthands for tests that make machines: on the fake and on real libvirt and QEMU the same."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from eve_agent.driver.base import Driver
from eve_agent.service.images import Images
from eve_agent.service.jobs import Jobs
from eve_agent.wire.domain import Domain
from eve_agent.wire.jobs import Job, JobState
from eve_agent.wire.spec import CdromSlot, DiskSlot, DomainSpec, NicSlot
from eve_agent.wire.storage import DiskSpec, ImageFinish, ImageFormat, SeedSpec

MIB = 2**20
POOL = "default"
MAC = "52:54:00:12:34:56"
SEED = SeedSpec(user_data="#cloud-config\n{}\n", meta_data="instance-id: i\nlocal-hostname: web\n")


def qcow2(folder: Path, *, size_mib: int = 16, options: str = "") -> bytes:
    """The bytes of an empty qcow2."""
    path = folder / f"{uuid.uuid4()}.qcow2"
    extra = ["-o", options] if options else []
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *extra, str(path), f"{size_mib}M"], check=True)
    return path.read_bytes()


async def pieces(data: bytes, *, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    """`data`, piece by piece."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


class Shop:
    """A driver with the agent's images and jobs."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.jobs = Jobs()
        self.images = Images(driver, self.jobs)

    async def job(self, operation_id: uuid.UUID, *, seconds: float = 60) -> Job:
        """The job, once it has ended."""
        async with asyncio.timeout(seconds):
            while (job := self.jobs.report(operation_id)).state is JobState.RUNNING:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return job

    async def image(self, data: bytes, *, declared: ImageFormat = ImageFormat.QCOW2) -> uuid.UUID:
        """An image that was sent, and is found good."""
        image_uuid, operation_id = uuid.uuid4(), uuid.uuid4()
        await self.images.send(POOL, image_uuid, pieces(data), offset=0, length=len(data))
        wanted = ImageFinish(
            size_bytes=len(data), format=declared, operation_id=operation_id, sha256=hashlib.sha256(data).hexdigest()
        )
        await self.images.finish(POOL, image_uuid, wanted)
        job = await self.job(operation_id)
        assert job.state is JobState.SUCCEEDED, job
        return image_uuid

    async def disk(self, *, size_mib: int = 32, image: uuid.UUID | None = None) -> uuid.UUID:
        """A disk."""
        disk_uuid = uuid.uuid4()
        await self.driver.make_disk(POOL, disk_uuid, DiskSpec(size_bytes=size_mib * MIB, image_uuid=image))
        return disk_uuid

    async def machine(self, *disks: uuid.UUID, name: str = "web", **fields: Any) -> Domain:
        """A domain that is off, with those disks."""
        return await self.driver.define_domain(spec(*disks, name=name, **fields))


def spec(*disks: uuid.UUID, name: str = "web", **fields: Any) -> DomainSpec:
    """A small machine."""
    usual: dict[str, Any] = {
        "uuid": uuid.uuid4(),
        "name": name,
        "vcpus": 1,
        "memory_bytes": 128 * MIB,
        "disks": tuple(DiskSlot(disk_uuid=disk, pool=POOL) for disk in disks),
        "operation_id": uuid.uuid4(),
    }
    return DomainSpec(**{**usual, **fields})


def nic(mac: str = MAC, **fields: Any) -> NicSlot:
    """A card in the network ``default``."""
    return NicSlot(**{"mac": mac, "source": "default", **fields})


def disc(image: uuid.UUID | None) -> CdromSlot:
    """The drive, with that image in it."""
    return CdromSlot(pool=POOL, image_uuid=image) if image is not None else CdromSlot()
