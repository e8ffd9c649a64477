"""How many passwords are hashed at once.

One Argon2 hash takes 100 MiB and all cores for a moment: a flood of sign-ins from many addresses must wait in a line, not
take the machine's memory. The hash itself runs without Python's global lock, so consoles in the same process go on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import Unavailable
from common.sentences import gettext as _

AT_ONCE = max(2, os.cpu_count() or 1)
WAIT_SECONDS = 10.0

_slots = threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def hashing_slot() -> Iterator[None]:
    """Holds one of the places in which a password may be hashed. Raises Unavailable where none gets free in time."""
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise Unavailable(_("Too many people are signing in at this moment. Nothing was tried; try again in a minute."))
    try:
        yield
    finally:
        _slots.release()
