"""Small readings of what libvirt's calls return."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from eve_agent.errors import ActionRefused

_MESSAGE_LIMIT = 300


def clean_words(text: str) -> str:
    """`text` on one line, cut, and without control characters: parts of libvirt's messages may come from a guest."""
    return "".join(character if character.isprintable() else " " for character in text)[:_MESSAGE_LIMIT].strip()


def is_full(words: str) -> bool:
    """Whether libvirt's or QEMU's words say that a disk is full."""
    return "No space left on device" in words or "Disk quota exceeded" in words


def version_text(number: int) -> str:
    """``major.minor.release`` of libvirt's number for it (``major * 1000000 + minor * 1000 + release``)."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def capacities(stats: Mapping[str, Any]) -> dict[str, int]:
    """Bytes by disk target, of a domain's block statistics (source: ``virConnectGetAllDomainStats``)."""
    found = {}
    for index in range(stats.get("block.count", 0)):
        capacity = stats.get(f"block.{index}.capacity")
        if capacity is not None:
            found[stats[f"block.{index}.name"]] = capacity
    return found


def received(stream: Any, *, limit_bytes: int) -> bytes:
    """All that a blocking ``virStream`` has. Raises ActionRefused beyond `limit_bytes`."""
    data = bytearray()
    while chunk := stream.recv(256 * 1024):
        data += chunk
        if len(data) > limit_bytes:
            stream.abort()
            raise ActionRefused(f"The picture is larger than {limit_bytes // 2**20} MiB.")
    stream.finish()
    return bytes(data)


def let_go(error: BaseException | None) -> None:
    """Clears the frames that `error` holds: libvirt's handles in them, freed later on the event loop, could block it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__
