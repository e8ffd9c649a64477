"""A host in memory on which machines can be changed: see :mod:`tests.vms.stub_host`."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any
from uuid import UUID

from eve_agent.wire import spec
from eve_agent.wire.domain import Disk, Domain, DomainState, Nic, Resources
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.snapshots import Snapshot, SnapshotSpec
from eve_agent.wire.storage import Deleted, DiskStatus

from hypervisors.errors import AgentRefused

from .stub_host import StubHost


def refusal(code: ErrorCode) -> AgentRefused:
    """What an agent says with that code."""
    return AgentRefused("Refused.", agent_code=code)


class ChangingHost(StubHost):
    """Machines that can be changed."""

    def __init__(self) -> None:
        super().__init__()
        self.boots: tuple[str, ...] = ()
        self.grown: spec.ResourcesChange
        self.snaps: dict[str, Snapshot] = {}

    def domain(self, uuid: UUID) -> Domain:
        if uuid not in self.domains:
            raise refusal(ErrorCode.DOMAIN_NOT_FOUND)
        return self.domains[uuid]

    def resources_change(self, uuid: UUID, wanted: spec.ResourcesChange) -> spec.ResourcesStatus:
        self._ask("resources_change")
        self.grown = wanted
        domain = self.domain(uuid)
        then = Resources(wanted.vcpus, wanted.vcpus, wanted.memory_bytes, wanted.memory_bytes)
        if domain.state is DomainState.OFF:
            self._put(uuid, vcpus=wanted.vcpus, memory_bytes=wanted.memory_bytes)
            return spec.ResourcesStatus(next_start=then)
        self._put(uuid, next_start=then)
        return spec.ResourcesStatus(
            next_start=then, live=Resources(domain.vcpus, domain.vcpus, domain.memory_bytes, domain.memory_bytes)
        )

    def disk(self, _pool: str, disk_uuid: UUID) -> DiskStatus:
        if disk_uuid not in self.disks:
            raise refusal(ErrorCode.VOLUME_NOT_FOUND)
        return DiskStatus(disk_uuid=disk_uuid, size_bytes=self.disks[disk_uuid].size_bytes)

    def disk_delete(self, _pool: str, disk_uuid: UUID) -> Deleted:
        self._ask("disk_delete")
        return Deleted(was_there=self.disks.pop(disk_uuid, None) is not None)

    def disk_attach(self, uuid: UUID, wanted: spec.DiskSlot) -> Domain:
        self._ask("disk_attach")
        if wanted.disk_uuid not in self.disks:
            raise refusal(ErrorCode.VOLUME_NOT_FOUND)
        others = tuple(disk for disk in self.domain(uuid).disks if disk.uuid != wanted.disk_uuid)
        return self._put(uuid, disks=(*others, Disk(target="vdb", uuid=wanted.disk_uuid)))

    def disk_detach(self, uuid: UUID, disk_uuid: UUID, **_: Any) -> Domain:
        self._ask("disk_detach")
        left = tuple(disk for disk in self.domain(uuid).disks if disk.uuid != disk_uuid)
        if len(left) == len(self.domain(uuid).disks):
            raise refusal(ErrorCode.DEVICE_NOT_FOUND)
        return self._put(uuid, disks=left)

    def disk_grow(self, uuid: UUID, disk_uuid: UUID, wanted: spec.DiskSize) -> Domain:
        self._ask("disk_grow")
        self.disks[disk_uuid] = dataclasses.replace(self.disks[disk_uuid], size_bytes=wanted.size_bytes)
        return self.domain(uuid)

    def title_set(self, uuid: UUID, wanted: spec.TitleChange) -> Domain:
        self._ask("title_set")
        return self._put(uuid, title=wanted.title)

    def autostart_set(self, uuid: UUID, wanted: spec.AutostartChange) -> Domain:
        self._ask("autostart_set")
        return self._put(uuid, is_autostarted=wanted.is_autostarted)

    def boot_order_set(self, uuid: UUID, wanted: spec.BootOrder) -> Domain:
        self._ask("boot_order_set")
        self.boots = wanted.devices
        places = {device: place for place, device in enumerate(wanted.devices, start=1)}
        domain = self.domain(uuid)
        disks = tuple(dataclasses.replace(disk, boot_order=places.get(str(disk.uuid), 0)) for disk in domain.disks)
        return self._put(uuid, disks=disks)

    def nic_attach(self, uuid: UUID, wanted: spec.NicSlot) -> Domain:
        self._ask("nic_attach")
        nic = Nic(mac=wanted.mac, kind=wanted.kind, source=wanted.source, model=wanted.model)
        return self._put(uuid, nics=(*self.domain(uuid).nics, nic))

    def nic_detach(self, uuid: UUID, mac: str, **_: Any) -> Domain:
        self._ask("nic_detach")
        return self._put(uuid, nics=tuple(nic for nic in self.domain(uuid).nics if nic.mac != mac))

    def cdrom_change(self, uuid: UUID, wanted: spec.CdromSlot) -> Domain:
        self._ask(f"cdrom_change {wanted.image_uuid}")
        return self.domain(uuid)

    def snapshots(self, uuid: UUID) -> tuple[Snapshot, ...]:
        self.domain(uuid)
        return tuple(self.snaps.values())

    def snapshot_make(self, uuid: UUID, snapshot_uuid: UUID, wanted: SnapshotSpec) -> Snapshot:
        self._ask("snapshot_make")
        self.domain(uuid)
        parent = next((snap.name for snap in self.snaps.values() if snap.is_current), "")
        self._current("")
        new = Snapshot(
            name=str(snapshot_uuid),
            uuid=snapshot_uuid,
            title=wanted.title,
            parent=parent,
            with_memory=wanted.with_memory,
            is_current=True,
            created_at=dt.datetime.now(dt.UTC),
        )
        return self.snaps.setdefault(new.name, new)

    def snapshot_revert(self, uuid: UUID, snapshot_uuid: UUID, **_: Any) -> Domain:
        self._ask("snapshot_revert")
        if str(snapshot_uuid) not in self.snaps:
            raise refusal(ErrorCode.SNAPSHOT_NOT_FOUND)
        self._current(str(snapshot_uuid))
        return self._put(uuid, vcpus=2, next_start=None)

    def snapshot_delete(self, _uuid: UUID, snapshot_uuid: UUID) -> Deleted:
        self._ask("snapshot_delete")
        gone = self.snaps.pop(str(snapshot_uuid), None)
        if gone is None:
            raise refusal(ErrorCode.SNAPSHOT_NOT_FOUND)
        for name, snap in self.snaps.items():
            if snap.parent == gone.name:
                self.snaps[name] = dataclasses.replace(snap, parent=gone.parent)
        return Deleted(was_there=True)

    def _current(self, name: str) -> None:
        self.snaps = {each: dataclasses.replace(snap, is_current=each == name) for each, snap in self.snaps.items()}

    def _put(self, uuid: UUID, **changes: Any) -> Domain:
        self.domains[uuid] = dataclasses.replace(self.domain(uuid), **changes)
        return self.domains[uuid]
