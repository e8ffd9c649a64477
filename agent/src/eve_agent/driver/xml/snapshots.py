"""Snapshot XML (source: libvirt's formatsnapshot)."""

from __future__ import annotations

import datetime as dt
import uuid

from eve_agent.wire.snapshots import Snapshot

from .parse import attribute_at, parse, text_at, whole


def read_snapshot(text: str, *, is_current: bool) -> Snapshot:
    """The snapshot of ``virDomainSnapshotGetXMLDesc``. Raises MalformedXml."""
    root = parse(text, root="domainsnapshot")
    name = text_at(root, "name")
    return Snapshot(
        name=name,
        created_at=dt.datetime.fromtimestamp(whole(text_at(root, "creationTime")), dt.UTC),
        uuid=_uuid(name),
        title=text_at(root, "description"),
        parent=text_at(root, "parent/name"),
        with_memory=attribute_at(root, "memory", "snapshot") not in ("", "no"),
        is_current=is_current,
    )


def _uuid(name: str) -> uuid.UUID | None:
    try:
        found = uuid.UUID(name)
    except ValueError:
        return None
    return found if str(found) == name else None
