"""How large a pool is, and what is left in it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from eve_agent.driver.xml import read_pool_kind, read_pool_path

DIR = "dir"
"""libvirt's type of a pool that is a folder."""


def pool_sizes(pool: Any, text: str) -> tuple[int, int, int]:
    """Capacity, allocation and what is available of an active pool with that XML, in bytes.

    Of a folder as its file system says: libvirt (``virStoragePoolGetInfo``) tells what it saw when it looked last, which may be long ago.
    """
    if read_pool_kind(text) == DIR:
        with contextlib.suppress(OSError):
            found = os.statvfs(read_pool_path(text))
            capacity = found.f_blocks * found.f_frsize
            return capacity, capacity - found.f_bfree * found.f_frsize, found.f_bavail * found.f_frsize
    _, capacity, allocation, available = pool.info()
    return capacity, allocation, available


def pool_filesystem(text: str) -> str:
    """On which of the host's file systems the folder of a pool with that XML lies (``st_dev``); empty where there is none."""
    if read_pool_kind(text) == DIR:
        with contextlib.suppress(OSError):
            return str(Path(read_pool_path(text)).stat().st_dev)
    return ""
