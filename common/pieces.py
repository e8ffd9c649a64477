"""Bodies that are longer than any other: pieces of a disk image, sent raw."""

from __future__ import annotations

import re
from typing import Final

PIECE_BYTES: Final = 8 * 1024 * 1024
"""The longest piece. A longer file is sent in several."""
PIECE_PATH: Final = re.compile(r"/api/v1/images/[0-9a-f-]{36}/data")
"""Where pieces are sent to."""
