"""How figures are printed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def row(name: str, milliseconds: Sequence[float]) -> str:
    """Minimum, median, 95th percentile and maximum in one line."""
    ordered = sorted(milliseconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return (
        f"{name:<44} min {ordered[0]:7.1f}  median {statistics.median(ordered):7.1f}  "
        f"p95 {p95:7.1f}  max {ordered[-1]:7.1f}  ms  (n={len(ordered)})"
    )
