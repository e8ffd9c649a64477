"""Putting discs into drives, and taking them out: the trays of CD drives, of which a guest has its share."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

from .binding import Code, Flag, LibvirtError, QemuRefused, qemu_command, words_of

TRAY_ATTEMPTS = 10
TRAY_SECONDS = 0.5
"""Between attempts to open a guest's tray."""
_IS_CLOSED = re.compile(r"Tray of device '([^']+)' is not open")


def drive_update(domain: Any, text: str, flag: int) -> None:
    """Gives a drive what `text` has in it, with `flag` saying whether now or at the next start. Raises LibvirtError.

    A guest may have locked its tray, or be about to open or close it: then it is opened by force, a moment later.
    """
    for attempt in range(TRAY_ATTEMPTS):
        try:
            domain.updateDeviceFlags(text, flag | (Flag.FORCE if attempt else 0))
        except LibvirtError as error:
            waits = error.get_error_code() in (Code.OPERATION_FAILED, Code.INTERNAL_ERROR)
            if not waits or not domain.connect().isAlive() or attempt == TRAY_ATTEMPTS - 1:
                raise
            if not _open_unnoticed(domain, words_of(error)):
                time.sleep(TRAY_SECONDS)
        else:
            return


def _open_unnoticed(domain: Any, refusal: str) -> bool:
    """Opens the tray that QEMU says is closed; whether `refusal` says so.

    A reset of a drive's controller, as each firmware does once at a start, closes its tray without DEVICE_TRAY_MOVED. To libvirt,
    which had just opened it, it stays open, and no later attempt would open it again.
    """
    found = _IS_CLOSED.search(refusal)
    if found is None:
        return False
    with contextlib.suppress(QemuRefused, LibvirtError):  # the next attempt has the words for it
        qemu_command(domain, "blockdev-open-tray", id=found[1], force=True)
    return True
