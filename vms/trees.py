"""Snapshots as a tree, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .models import Snapshot

MOST_DEPTH = 8
"""Deeper ones are shown at this depth: a page has an edge."""


@dataclass(frozen=True, slots=True)
class Line:
    """One snapshot, how deep it stands in the tree, and what it was made after."""

    snapshot: Snapshot
    depth: int
    parent: Snapshot | None = None


def tree_of(snapshots: Iterable[Snapshot]) -> list[Line]:
    """Each after the one that it was made after, the oldest first. One whose parent is not among them is a root."""
    rows = list(snapshots)
    known = {row.pk: row for row in rows}
    below: dict[object, list[Snapshot]] = {}
    for row in rows:
        below.setdefault(row.parent_id if row.parent_id in known else None, []).append(row)
    lines: list[Line] = []
    waiting = [(row, 0) for row in reversed(below.get(None, []))]
    while waiting:
        row, depth = waiting.pop()
        lines.append(Line(row, min(depth, MOST_DEPTH), known.get(row.parent_id) if row.parent_id else None))
        waiting += [(child, depth + 1) for child in reversed(below.get(row.pk, []))]
    return lines
