"""Decoding what a host sent as a picture. Runs in a process of its own, without Django, within limits."""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import signal
import threading
import warnings

from PIL import Image, UnidentifiedImageError

FORMATS = ("PNG", "PPM")
MAX_PIXELS = 8192 * 4608
MAX_SIDE = 16384
CPU_SECONDS = 4
MEMORY_BYTES = 1024**3


def settle_in() -> None:
    """To be called once, first thing in the process: it takes no more memory than it may, and ends with Eve, also where she is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """The pool's queue never ends, since this process holds both its ends; and the server of forks lives as long as this."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def reencode_in_time(data: bytes, width: int | None) -> bytes | None:
    """As :func:`reencode`; the system ends this process after :data:`CPU_SECONDS` of it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_SECONDS, resource.RLIM_INFINITY))
    return reencode(data, width)


def reencode(data: bytes, width: int | None) -> bytes | None:
    """`data` as PNG; None where it is no acceptable picture."""
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS or max(picture.size) > MAX_SIDE:
                return None
            plain = picture.convert("RGB")
        if width is not None and plain.width > width:
            plain.thumbnail((width, MAX_SIDE))
        out = io.BytesIO()
        plain.save(out, "PNG", compress_level=3)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Warning,
        OSError,
        ValueError,
        SyntaxError,
        MemoryError,
    ):
        return None
    return out.getvalue()
