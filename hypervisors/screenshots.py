"""A host's screenshot, made fit for a browser: decoded and encoded anew in a process of its own.

A host that was taken over may send HTML, SVG, or a picture that decodes to gigabytes. Only PNG and PPM are read, by
what the bytes say and not by what the host says; pixels, memory and CPU time are bounded; what comes out is PNG.
"""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from common.sentences import gettext as _

from . import picture
from .errors import BadAnswer

CONTENT_TYPES = frozenset({"image/png", "image/x-portable-pixmap", "image/x-portable-anymap"})
WAIT_SECONDS = 10.0
PICTURES_PER_PROCESS = 500

_pool: ProcessPoolExecutor | None = None
_lock = threading.Lock()


def screenshot_png(content_type: str, data: bytes, *, width: int | None = None) -> bytes:
    """The picture as PNG, scaled down to `width` pixels where it is wider. Blocks: call it from a thread.

    Raises:
        BadAnswer: it is no picture that Eve shows.
    """
    if content_type.split(";", maxsplit=1)[0].strip().lower() not in CONTENT_TYPES:
        raise BadAnswer(detail=_("The host sent something else than a picture of the screen."))
    pool = _current_pool()
    try:
        cleaned = pool.submit(picture.reencode_in_time, data, width).result(timeout=WAIT_SECONDS)
    except (BrokenProcessPool, TimeoutError) as error:
        _discard(pool)
        raise BadAnswer(detail=_("The host's picture of the screen takes too much to decode.")) from error
    if cleaned is None:
        raise BadAnswer(detail=_("The host's picture of the screen cannot be decoded."))
    return cleaned


def _current_pool() -> ProcessPoolExecutor:
    global _pool  # noqa: PLW0603  (one a process)
    with _lock:
        if _pool is None:
            _pool = ProcessPoolExecutor(
                max_workers=1,
                mp_context=multiprocessing.get_context("forkserver"),
                initializer=picture.settle_in,
                max_tasks_per_child=PICTURES_PER_PROCESS,
            )
        return _pool


def _discard(pool: ProcessPoolExecutor) -> None:
    global _pool  # noqa: PLW0603
    with _lock:
        if _pool is pool:
            _pool = None
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)
