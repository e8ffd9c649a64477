"""The head of a qcow2 file, read by ourselves before qemu-img, which opens an external data file as soon as it looks.

Source: https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.rst
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from eve_agent.errors import ImageInvalid

HEADER_BYTES = 104
FLATTEN_IT = "Flatten it first: qemu-img convert -O qcow2 IN OUT."
_MAGIC = b"QFI\xfb"
_COMMON = struct.Struct(">4sIQIIQI")
_FEATURES_AT = 72
_EXTERNAL_DATA_FILE = 1 << 2


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes say."""

    version: int
    virtual_bytes: int
    has_backing_file: bool
    has_data_file: bool
    is_encrypted: bool


def read_header(head: bytes) -> Header:
    """Raises ImageInvalid where `head`, the first :data:`HEADER_BYTES` of a file, are none of a qcow2's."""
    if len(head) < HEADER_BYTES or not head.startswith(_MAGIC):
        raise ImageInvalid("The image is no qcow2, as which it was declared.")
    _, version, backing_at, _, _, virtual_bytes, encryption = _COMMON.unpack_from(head)
    if version not in (2, 3):
        raise ImageInvalid(f"The image is a qcow2 of version {version}; 2 and 3 are known.")
    features = int.from_bytes(head[_FEATURES_AT : _FEATURES_AT + 8]) if version >= 3 else 0
    return Header(
        version=version,
        virtual_bytes=virtual_bytes,
        has_backing_file=backing_at != 0,
        has_data_file=bool(features & _EXTERNAL_DATA_FILE),
        is_encrypted=encryption != 0,
    )


def refuse_hostile_header(head: bytes) -> None:
    """Raises ImageInvalid for what leads to another file, and for what cannot be booted."""
    header = read_header(head)
    if header.has_backing_file:
        raise ImageInvalid(f"The image has a backing file. {FLATTEN_IT}")
    if header.has_data_file:
        raise ImageInvalid(f"The image keeps its data in another file. {FLATTEN_IT}")
    if header.is_encrypted:
        raise ImageInvalid("The image is encrypted, which cannot be booted here.")
