"""Snapshots in a session: internal ones, which libvirt keeps in qcow2 disks and in records of its own.

libvirt has no call for one of a running guest's disks alone. QEMU makes it, of all disks at one moment, and libvirt is given the record of what
is, as far as it is concerned, a snapshot of a machine that was off.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eve_agent.driver.readings import is_full
from eve_agent.driver.rules import refuse_snapshot
from eve_agent.driver.xml import DomainDocument, disks_snapshot_xml, read_snapshot, snapshot_xml
from eve_agent.errors import DomainOff, GuestRefused, NoGuestAgent, NoSpace, SnapshotNotFound, SnapshotRefused
from eve_agent.wire.snapshots import Snapshot, SnapshotSpec
from eve_agent.wire.storage import Deleted

from .binding import Code, Flag, LibvirtError, QemuRefused, qemu_command, words_of
from .calls import translating
from .guests import GuestCalls
from .watchdog import watchdogs

QUIET_SECONDS = 15
"""How long a guest may stand still for a snapshot of its disks."""
_FULL = "The pool has no space left for a snapshot; nothing was changed."
_REFUSALS = (Code.CONFIG_UNSUPPORTED, Code.OPERATION_UNSUPPORTED, Code.OPERATION_INVALID)


class SnapshotCalls(GuestCalls):
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
            if wanted.with_memory or not domain.isActive():
                existing = self._make(domain, str(snapshot_uuid), wanted)
            else:
                existing = self._make_of_running_disks(domain, str(snapshot_uuid), wanted)
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
            self._drop_half_made(self._lookup(domain_uuid), str(snapshot_uuid))
            return Deleted(was_there=False)
        snapshot.delete(0)
        return Deleted(was_there=True)

    def _make(self, domain: Any, name: str, wanted: SnapshotSpec) -> Any:
        text = snapshot_xml(name, title=wanted.title, with_memory=wanted.with_memory)
        try:
            return domain.snapshotCreateXML(text, 0)
        except LibvirtError as error:
            if is_full(words_of(error)):
                raise NoSpace(_FULL) from error
            if error.get_error_code() in _REFUSALS and self.is_alive():
                raise SnapshotRefused(f"This virtual machine cannot have that snapshot: {words_of(error)}") from error
            raise

    def _make_of_running_disks(self, domain: Any, name: str, wanted: SnapshotSpec) -> Any:
        """One whose record a killed agent did not write any more gets it now."""
        parent, disks = self._current_name(domain), _disks(domain)
        missing = [disk for disk in disks if name not in disk.snapshots]
        if missing:
            actions = [
                {"type": "blockdev-snapshot-internal-sync", "data": {"device": disk.node, "name": name}}
                for disk in missing
            ]
            with self._quiet(domain), _refusing():
                qemu_command(domain, "transaction", actions=actions)
        text = disks_snapshot_xml(
            name,
            title=wanted.title,
            made_at=int(time.time()),
            parent=parent,
            disks=[disk.target for disk in disks],
            domain=domain.XMLDesc(Flag.XML_INACTIVE | Flag.XML_SECURE),
        )
        return domain.snapshotCreateXML(text, Flag.SNAPSHOT_REDEFINE | Flag.SNAPSHOT_CURRENT)

    @contextlib.contextmanager
    def _quiet(self, domain: Any) -> Iterator[None]:
        """The guest has written all that it had to, and writes nothing meanwhile, where its agent can see to that."""
        domain_uuid, is_frozen = uuid.UUID(bytes=domain.UUID()), False
        if watchdogs.ends_at(domain_uuid) is None:
            with contextlib.suppress(NoGuestAgent, GuestRefused, DomainOff):
                is_frozen = self.freeze(domain_uuid, QUIET_SECONDS).is_frozen
        try:
            yield
        finally:
            if is_frozen:
                with contextlib.suppress(NoGuestAgent, GuestRefused):  # else it thaws by itself
                    self.thaw(domain_uuid)

    def _drop_half_made(self, domain: Any, name: str) -> None:
        """What QEMU made of one whose record was never written."""
        if domain.isActive():
            for disk in _disks(domain):
                if name in disk.snapshots:
                    with _refusing():
                        qemu_command(domain, "blockdev-snapshot-delete-internal-sync", device=disk.node, name=name)

    def _snapshot(self, domain: Any, snapshot_uuid: uuid.UUID) -> Any:
        with self._passing_over(Code.NO_SNAPSHOT):
            return domain.snapshotLookupByName(str(snapshot_uuid))
        return None

    def _current_name(self, domain: Any) -> str:
        with self._passing_over(Code.NO_SNAPSHOT):
            return str(domain.snapshotCurrent().getName())
        return ""


@dataclass(frozen=True, slots=True)
class _RunningDisk:
    """A disk that a running guest writes to, as QEMU knows it."""

    target: str
    node: str
    """Its name in QEMU."""
    snapshots: frozenset[str]
    """Names of those inside it."""


def _disks(domain: Any) -> list[_RunningDisk]:
    """Raises SnapshotRefused where one of them cannot have snapshots."""
    document = DomainDocument(domain.XMLDesc(0))
    opened = {
        _path_of(inserted["file"]): inserted
        for block in qemu_command(domain, "query-block")
        if (inserted := block.get("inserted")) and not inserted["ro"]
    }
    found = []
    for device in document.disks:
        inserted = opened.get(device.path)
        if inserted is None or inserted["drv"] != "qcow2":
            raise SnapshotRefused(f"The disk {device.target} can have no snapshot while it is in use: it is no qcow2.")
        names = frozenset(snapshot["name"] for snapshot in inserted["image"].get("snapshots", ()))
        found.append(_RunningDisk(device.target, inserted["node-name"], names))
    return found


def _path_of(file: str) -> str:
    """Where a disk is, which QEMU tells among all that it knows of it (``json:{…}``) where it lies over another file."""
    if not file.startswith("json:"):
        return file
    return str(json.loads(file.removeprefix("json:"))["file"].get("filename", ""))


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """What QEMU refuses. Raises NoSpace, SnapshotRefused."""
    try:
        yield
    except QemuRefused as error:
        if is_full(str(error)):
            raise NoSpace(_FULL) from error
        raise SnapshotRefused(f"QEMU refused: {error}") from error
