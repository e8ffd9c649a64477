"""Pools, images, disks and seeds of a host. All of it since version 2.

Everything that Eve makes is named on the host by a UUID of Eve's choice: ``{image}.img``, ``{disk}.qcow2``, ``seed-{vm}.iso``.
A repeated call finds what the first one made and answers the same.
"""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field

from .checks import (
    MAX_IMAGE_BYTES,
    MAX_META_DATA_BYTES,
    MAX_NETWORK_CONFIG_BYTES,
    MAX_URL,
    MAX_USER_DATA_BYTES,
    check_disk_size,
    check_length,
    check_object_name,
    check_range,
    check_sha256,
)


class ImageFormat(enum.StrEnum):
    """How an image's bytes are to be read. It is declared, never guessed from the bytes."""

    QCOW2 = "qcow2"
    RAW = "raw"
    """Also every ISO."""
    UNKNOWN = "unknown"


class ImageState(enum.StrEnum):
    """Where an image on a host is in its life."""

    PARTIAL = "partial"
    """Some of its bytes are there; more may be sent or fetched."""
    WORKING = "working"
    """A job fetches, copies or checks it: see ``/jobs``."""
    READY = "ready"
    UNKNOWN = "unknown"


class VolumeKind(enum.StrEnum):
    """What a volume is to Eve, by its name."""

    IMAGE = "image"
    DISK = "disk"
    SEED = "seed"
    OTHER = "other"
    """Not of Eve's making, or an unfinished image."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Pool:
    """An item of what ``GET /storage`` answers. Sizes are 0 while it is not active."""

    name: str
    kind: str
    """libvirt's pool type, such as ``dir`` or ``logical``."""
    path: str = ""
    """Its folder on the host; empty for a kind without one."""
    is_active: bool = False
    is_usable: bool = False
    """Whether Eve can put images and disks there: an active ``dir`` pool that the agent may write to."""
    why_not: str = ""
    """Where it is not usable: the reason, one sentence."""
    capacity_bytes: int = 0
    allocation_bytes: int = 0
    available_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Volume:
    """An item of what ``GET /storage/{pool}/volumes`` answers."""

    name: str
    """Its file's name."""
    kind: VolumeKind = VolumeKind.OTHER
    uuid: uuid.UUID | None = None
    """Of the image, disk or virtual machine that it belongs to, where Eve made it."""
    format: str = ""
    """As libvirt guesses it, such as ``qcow2``, ``raw`` or ``iso``: a hint for people, never believed."""
    capacity_bytes: int = 0
    """The size that a guest would see."""
    allocation_bytes: int = 0
    """What it takes on the host."""
    backing: str = ""
    """The file's name that it is thin over; empty for none."""


@dataclass(frozen=True, slots=True)
class ImageFetch:
    """Body of ``PUT …/images/{image}``: the agent fetches it by itself, as a job. The answer is an :class:`ImageStatus`.

    A fetch that was cut off goes on where it was, if the server can; a repeated call joins the job that runs.
    """

    url: str
    """``https://…`` or ``http://…``, without credentials."""
    format: ImageFormat
    operation_id: uuid.UUID
    """The job's id."""
    sha256: str = ""
    """Of the whole file, 64 lower-case hexadecimal digits; empty: not checked."""
    max_bytes: int = MAX_IMAGE_BYTES
    """The fetch ends with NO_SPACE beyond that."""
    allow_private: bool = False
    """Whether loopback, link-local and private addresses may be asked. An administrator's decision."""
    least_bytes_per_second: int = 0
    """The fetch ends with FETCH_TOO_SLOW where the server sends less over a minute; 0: it may take its time."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://")) or len(self.url) > MAX_URL or not self.url.isascii():
            raise ValueError(f"url: http:// or https://, {MAX_URL} ASCII characters at most")
        _check_format(self.format)
        check_sha256(self.sha256)
        check_range("max_bytes", self.max_bytes, low=1, high=MAX_IMAGE_BYTES)
        check_range("least_bytes_per_second", self.least_bytes_per_second, low=0, high=MAX_IMAGE_BYTES)


DIGEST_BYTES = 4 * 2**20
"""What each digest of :attr:`ImageFinish.digests_sha256` is of."""


@dataclass(frozen=True, slots=True)
class ImageFinish:
    """Body of ``POST …/images/{image}/finish``: all bytes were sent. Checked as a job; the answer is an :class:`ImageStatus`."""

    size_bytes: int
    """Of the file as it was sent."""
    format: ImageFormat
    operation_id: uuid.UUID
    """The job's id."""
    sha256: str = ""
    """Of the file, 64 lower-case hexadecimal digits; empty: not checked, but told in the status and the job."""
    digests_sha256: str = ""
    """Of the binary SHA-256s of each :data:`DIGEST_BYTES` of the file, one after the other, in the same form; empty: not checked.

    A browser can make this of a large file, but not the SHA-256 of it whole.
    """

    def __post_init__(self) -> None:
        check_range("size_bytes", self.size_bytes, low=1, high=MAX_IMAGE_BYTES)
        _check_format(self.format)
        check_sha256(self.sha256)
        check_sha256(self.digests_sha256)


@dataclass(frozen=True, slots=True)
class ImageCopy:
    """Body of ``POST …/images/{image}/copy``: makes an image of what the pool has, as a job. The answer is an :class:`ImageStatus`.

    Either of a disk (a whole copy as qcow2, for a template or a clone; no running domain may use it), or of a file that
    somebody put into the pool (taken over as it is, after the checks of any image).
    """

    operation_id: uuid.UUID
    """The job's id."""
    disk_uuid: uuid.UUID | None
    """None with a file."""
    volume: str
    """Name of the file; empty with a disk."""
    format: ImageFormat = ImageFormat.QCOW2
    """As which the file is to be read. A disk's copy is always ``qcow2``."""

    def __post_init__(self) -> None:
        if (self.disk_uuid is None) == (not self.volume):
            raise ValueError("disk_uuid, volume: exactly one of them")
        if self.volume:
            check_object_name("volume", self.volume)
        _check_format(self.format)


@dataclass(frozen=True, slots=True)
class ImageStatus:
    """What every request about one image answers, but DELETE (see :class:`Deleted`)."""

    image_uuid: uuid.UUID
    state: ImageState
    size_bytes: int = 0
    """Of its file so far: where a resumed upload goes on."""
    virtual_bytes: int = 0
    """The size of the disk in it, which a disk over it cannot be smaller than; 0 while that is not known."""
    sha256: str = ""
    """Of its file, where this agent computed it in the last hour; else empty."""
    job: uuid.UUID | None = None
    """Of the job that works on it."""


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """Body of ``PUT …/disks/{disk}``: qcow2 v3, thin, over an image or empty. The answer is a :class:`DiskStatus`.

    A disk that is there already is left as it is, but grown where `size_bytes` is more (not while a domain runs on it: see
    ``PUT /libvirt/domains/{uuid}/disks/{disk}/size``).
    """

    size_bytes: int
    """What the guest sees: 1 MiB to 64 TiB in whole sectors of 512 bytes, and no less than the image's."""
    image_uuid: uuid.UUID | None = None
    """An image of the same pool that it is thin over."""
    image_format: ImageFormat = ImageFormat.QCOW2
    """As declared when the image was made."""
    takes_image: bool = False
    """The file of the image itself becomes the disk, and there is no such image any more: for a clone, whose image is a disk's copy."""
    operation_id: uuid.UUID | None = None

    def __post_init__(self) -> None:
        check_disk_size("size_bytes", self.size_bytes)
        _check_format(self.image_format)
        if self.takes_image and (self.image_uuid is None or self.image_format is not ImageFormat.QCOW2):
            raise ValueError("takes_image: only with a qcow2 image")


@dataclass(frozen=True, slots=True)
class DiskStatus:
    """What ``GET`` and ``PUT …/disks/{disk}`` answer."""

    disk_uuid: uuid.UUID
    size_bytes: int
    """What the guest sees."""
    allocation_bytes: int = 0
    """What it takes on the host."""
    image_uuid: uuid.UUID | None = None
    """What it is thin over."""


@dataclass(frozen=True, slots=True)
class SeedSpec:
    """Body of ``PUT …/seeds/{uuid}``: a NoCloud seed for cloud-init, mode 0600. The answer is a :class:`SeedStatus`.

    It may hold secrets: it is never logged, and no request reads it back.
    """

    user_data: str = field(repr=False)
    """``#cloud-config`` or a script, 64 KiB at most."""
    meta_data: str = field(repr=False)
    """YAML with instance-id and local-hostname, 4 KiB at most."""
    network_config: str = field(default="", repr=False)
    """cloud-init's network configuration, 16 KiB at most; empty for none."""
    operation_id: uuid.UUID | None = None

    def __post_init__(self) -> None:
        check_length("user_data", self.user_data, limit_bytes=MAX_USER_DATA_BYTES)
        check_length("meta_data", self.meta_data, limit_bytes=MAX_META_DATA_BYTES)
        check_length("network_config", self.network_config, limit_bytes=MAX_NETWORK_CONFIG_BYTES)


@dataclass(frozen=True, slots=True)
class SeedStatus:
    """What ``PUT …/seeds/{uuid}`` answers."""

    vm_uuid: uuid.UUID
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a DELETE answers where nothing else is left to tell. Deleting what is not there succeeds."""

    was_there: bool
    """Whether there was something to delete. False as well for a repeated call."""


def _check_format(value: ImageFormat) -> None:
    if value is ImageFormat.UNKNOWN:
        raise ValueError("format: qcow2 or raw")
