"""How samples lie in a row: for each machine its UUID and, sample after sample, its figures as 32-bit floats."""

from __future__ import annotations

import math
import sys
import uuid
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

FIELDS: Final = (
    "cpu_cores",
    "memory_bytes",
    "disk_read_bytes_per_second",
    "disk_write_bytes_per_second",
    "network_received_bytes_per_second",
    "network_sent_bytes_per_second",
)
"""Of one sample, in this order. `cpu_cores` is processor time by time: 1.5 is one and a half cores."""
Sample = tuple[float, ...]
"""One figure for each of :data:`FIELDS`; NaN where it is not known."""
UNKNOWN: Final[Sample] = (math.nan,) * len(FIELDS)
_KEY_BYTES = 16
_MOST = 1e18


def pack(series: Mapping[uuid.UUID, Sequence[Sample]]) -> bytes:
    """All series of a block, each of the same length."""
    parts = []
    for key, samples in series.items():
        values = array("f", [min(value, _MOST) for sample in samples for value in sample])
        if sys.byteorder == "big":
            values.byteswap()
        parts += [key.bytes, values.tobytes()]
    return b"".join(parts)


def unpack(payload: bytes | memoryview, samples: int) -> Iterator[tuple[uuid.UUID, list[Sample]]]:
    """All series of a block of `samples` samples."""
    for start in range(0, len(payload), _size(samples)):
        yield uuid.UUID(bytes=bytes(payload[start : start + _KEY_BYTES])), _samples(payload, start, samples)


def find(payload: bytes | memoryview, key: uuid.UUID, samples: int) -> list[Sample] | None:
    """One series of it; None where it has none of `key`."""
    return next((series for _key, series in pick(payload, (key,), samples)), None)


def pick(
    payload: bytes | memoryview, keys: Collection[uuid.UUID], samples: int
) -> Iterator[tuple[uuid.UUID, list[Sample]]]:
    """Those series of it that are of `keys`."""
    wanted = {key.bytes: key for key in keys}
    for start in range(0, len(payload), _size(samples)):
        if key := wanted.get(bytes(payload[start : start + _KEY_BYTES])):
            yield key, _samples(payload, start, samples)


def mean(samples: Sequence[Sample]) -> Sample:
    """Field by field, of what is known."""
    return tuple(_mean([value for value in column if not math.isnan(value)]) for column in zip(*samples, strict=True))


def _mean(known: list[float]) -> float:
    return sum(known) / len(known) if known else math.nan


def _size(samples: int) -> int:
    return _KEY_BYTES + samples * len(FIELDS) * 4


def _samples(payload: bytes | memoryview, start: int, samples: int) -> list[Sample]:
    values = array("f")
    values.frombytes(payload[start + _KEY_BYTES : start + _size(samples)])
    if sys.byteorder == "big":
        values.byteswap()
    width = len(FIELDS)
    return [tuple(values[at : at + width]) for at in range(0, len(values), width)]
