"""Snapshots in a session: internal ones, which libvirt keeps in qcow2 disks and in records of its own."""

from __future__ import annotations

import uuid
from typing import Any

from eve_agent.driver.readings import is_full
from eve_agent.driver.rules import refuse_snapshot
from eve_agent.driver.xml import DomainDocument, read_snapshot, snapshot_xml
from eve_agent.errors import NoSpace, SnapshotNotFound, SnapshotRefused
from eve_agent.wire.snapshots import Snapshot, SnapshotSpec
from eve_agent.wire.storage import Deleted

from .binding import Code, Flag, LibvirtError, words_of
from .calls import translating
from .changes import ChangeCalls

_REFUSALS = (Code.CONFIG_UNSUPPORTED, Code.OPERATION_UNSUPPORTED, Code.OPERATION_INVALID)


class SnapshotCalls(ChangeCalls):
    """See :class:`~eve_agent.driver.host.Session`."""

    @translating
    def snapshots(self, domain_uuid: uuid.UUID) -> tuple[Snapshot, ...]:
        """All snapshots, parents before children."""
        domain = self._lookup(domain_uuid)
        current = self._current_name(domain)
        found = []
        for snapshot in domain.listAllSnapshots(Flag.SNAPSHOTS_TOPOLOGICAL):
            with self._passing_over(Code.NO_SNAPSHOT):
                found.append(read_snapshot(snapshot.getXMLDesc(0), is_current=snapshot.getName() == current))
        return tuple(found)

    @translating
    def make_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID, wanted: SnapshotSpec) -> Snapshot:
        """Makes one, unless it is there."""
        domain = self._lookup(domain_uuid)
        if (existing := self._snapshot(domain, snapshot_uuid)) is None:
            document = DomainDocument(domain.XMLDesc(0))
            refuse_snapshot(self._parts(domain).domain, wanted, has_plugged_vcpus=document.has_plugged_vcpus)
            text = snapshot_xml(str(snapshot_uuid), title=wanted.title, with_memory=wanted.with_memory)
            try:
                existing = domain.snapshotCreateXML(text, 0)
            except LibvirtError as error:
                if is_full(words_of(error)):
                    raise NoSpace("The pool has no space left for a snapshot; nothing was changed.") from error
                if error.get_error_code() in _REFUSALS and self.is_alive():
                    raise SnapshotRefused(
                        f"This virtual machine cannot have that snapshot: {words_of(error)}"
                    ) from error
                raise
        return read_snapshot(existing.getXMLDesc(0), is_current=self._current_name(domain) == str(snapshot_uuid))

    @translating
    def revert_to_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> None:
        """Goes back to one."""
        domain = self._lookup(domain_uuid)
        snapshot = self._snapshot(domain, snapshot_uuid)
        if snapshot is None:
            raise SnapshotNotFound(f"“{domain.name()}” has no such snapshot.")
        try:
            domain.revertToSnapshot(snapshot, 0)
        except LibvirtError as error:
            if error.get_error_code() != Code.REVERT_RISKY:
                raise
            domain.revertToSnapshot(
                snapshot, Flag.SNAPSHOT_REVERT_FORCE
            )  # QEMU is begun anew, which is what reverting means

    @translating
    def delete_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> Deleted:
        """Deletes one, and leaves its children."""
        snapshot = self._snapshot(self._lookup(domain_uuid), snapshot_uuid)
        if snapshot is None:
            return Deleted(was_there=False)
        snapshot.delete(0)
        return Deleted(was_there=True)

    def _snapshot(self, domain: Any, snapshot_uuid: uuid.UUID) -> Any:
        with self._passing_over(Code.NO_SNAPSHOT):
            return domain.snapshotLookupByName(str(snapshot_uuid))
        return None

    def _current_name(self, domain: Any) -> str:
        with self._passing_over(Code.NO_SNAPSHOT):
            return str(domain.snapshotCurrent().getName())
        return ""
