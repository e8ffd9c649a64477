"""Making, changing and deleting domains, their snapshots, and the agents in their guests."""

from __future__ import annotations

import uuid
from typing import Any

from eve_agent.wire import paths
from eve_agent.wire.domain import Domain
from eve_agent.wire.guest import FreezeRequest, FreezeStatus, GuestDone, GuestInfo, PasswordChange, ThawRequest
from eve_agent.wire.snapshots import Snapshot, SnapshotRevert, SnapshotSpec
from eve_agent.wire.spec import (
    AutostartChange,
    BootOrder,
    CdromSlot,
    DeviceDetach,
    DiskSize,
    DiskSlot,
    DomainDelete,
    DomainSpec,
    NicSlot,
    ResourcesChange,
    ResourcesStatus,
    TitleChange,
)
from eve_agent.wire.storage import Deleted

from .core import Requests

CHANGE_SECONDS = 120.0
"""How long a change of a domain may take on its host, snapshots with memory apart."""
SNAPSHOT_SECONDS = 900.0
"""How long a snapshot may take: its memory is written to the disk."""


class MachineRequests(Requests):
    """See :class:`~hypervisors.client.AgentClient`. Every change may be repeated without harm."""

    def domain_define(self, wanted: DomainSpec) -> Domain:
        """``PUT /libvirt/domains/{uuid}``: defines it, off. Refused with NAME_TAKEN, DOMAIN_EXISTS, BEYOND_HOST, VOLUME_NOT_FOUND, …"""
        return self._change(wanted.uuid, "PUT", paths.DOMAIN, wanted)

    def domain_delete(self, domain_uuid: uuid.UUID, wanted: DomainDelete) -> Deleted:
        """``DELETE /libvirt/domains/{uuid}``: stops and forgets it, and deletes the named disks. Refused with NOT_MADE_BY_EVE."""
        path = paths.fill(paths.DOMAIN, uuid=domain_uuid)
        return self._decoded(Deleted, self._ask("DELETE", path, body=wanted, seconds=CHANGE_SECONDS))

    def resources_change(self, domain_uuid: uuid.UUID, wanted: ResourcesChange) -> ResourcesStatus:
        """``PUT …/resources``: what is live now, and what will be at the next start."""
        path = paths.fill(paths.DOMAIN_RESOURCES, uuid=domain_uuid)
        return self._decoded(ResourcesStatus, self._ask("PUT", path, body=wanted, seconds=CHANGE_SECONDS))

    def disk_attach(self, domain_uuid: uuid.UUID, wanted: DiskSlot) -> Domain:
        """``PUT …/disks/{disk}``"""
        return self._change(domain_uuid, "PUT", paths.DOMAIN_DISK, wanted, disk=wanted.disk_uuid)

    def disk_detach(
        self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID, *, operation_id: uuid.UUID | None = None
    ) -> Domain:
        """``DELETE …/disks/{disk}``: the disk itself is kept."""
        body = DeviceDetach(operation_id=operation_id)
        return self._change(domain_uuid, "DELETE", paths.DOMAIN_DISK, body, disk=disk_uuid)

    def disk_grow(self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID, wanted: DiskSize) -> Domain:
        """``PUT …/disks/{disk}/size``: of a disk of this domain, running or not. Never smaller."""
        return self._change(domain_uuid, "PUT", paths.DOMAIN_DISK_SIZE, wanted, disk=disk_uuid)

    def nic_attach(self, domain_uuid: uuid.UUID, wanted: NicSlot) -> Domain:
        """``PUT …/nics/{mac}``"""
        return self._change(domain_uuid, "PUT", paths.DOMAIN_NIC, wanted, mac=wanted.mac)

    def nic_detach(self, domain_uuid: uuid.UUID, mac: str, *, operation_id: uuid.UUID | None = None) -> Domain:
        """``DELETE …/nics/{mac}``"""
        return self._change(domain_uuid, "DELETE", paths.DOMAIN_NIC, DeviceDetach(operation_id=operation_id), mac=mac)

    def cdrom_change(self, domain_uuid: uuid.UUID, wanted: CdromSlot) -> Domain:
        """``PUT …/cdrom``: inserts an image, or ejects."""
        return self._change(domain_uuid, "PUT", paths.DOMAIN_CDROM, wanted)

    def boot_order_set(self, domain_uuid: uuid.UUID, wanted: BootOrder) -> Domain:
        """``PUT …/boot``, from the next start on."""
        return self._change(domain_uuid, "PUT", paths.DOMAIN_BOOT, wanted)

    def title_set(self, domain_uuid: uuid.UUID, wanted: TitleChange) -> Domain:
        """``PUT …/title``"""
        return self._change(domain_uuid, "PUT", paths.DOMAIN_TITLE, wanted)

    def autostart_set(self, domain_uuid: uuid.UUID, wanted: AutostartChange) -> Domain:
        """``PUT …/autostart``"""
        return self._change(domain_uuid, "PUT", paths.DOMAIN_AUTOSTART, wanted)

    def snapshots(self, domain_uuid: uuid.UUID) -> tuple[Snapshot, ...]:
        """``GET …/snapshots``, parents before children."""
        return self._list(Snapshot, paths.fill(paths.DOMAIN_SNAPSHOTS, uuid=domain_uuid))

    def snapshot_make(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID, wanted: SnapshotSpec) -> Snapshot:
        """``PUT …/snapshots/{snapshot}``. Refused with DOMAIN_OFF, SNAPSHOT_REFUSED, NO_SPACE."""
        path = paths.fill(paths.DOMAIN_SNAPSHOT, uuid=domain_uuid, snapshot=snapshot_uuid)
        return self._decoded(Snapshot, self._ask("PUT", path, body=wanted, seconds=SNAPSHOT_SECONDS))

    def snapshot_revert(
        self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID, *, operation_id: uuid.UUID | None = None
    ) -> Domain:
        """``POST …/snapshots/{snapshot}/revert``"""
        body = SnapshotRevert(operation_id=operation_id)
        path = paths.fill(paths.DOMAIN_SNAPSHOT_REVERT, uuid=domain_uuid, snapshot=snapshot_uuid)
        return self._domain(domain_uuid, self._ask("POST", path, body=body, seconds=SNAPSHOT_SECONDS))

    def snapshot_delete(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> Deleted:
        """``DELETE …/snapshots/{snapshot}``: its children become its parent's."""
        path = paths.fill(paths.DOMAIN_SNAPSHOT, uuid=domain_uuid, snapshot=snapshot_uuid)
        return self._decoded(Deleted, self._ask("DELETE", path, seconds=SNAPSHOT_SECONDS))

    def guest_info(self, domain_uuid: uuid.UUID) -> GuestInfo:
        """``GET …/guest``"""
        return self._decoded(GuestInfo, self._ask("GET", paths.fill(paths.DOMAIN_GUEST, uuid=domain_uuid)))

    def guest_password(self, domain_uuid: uuid.UUID, wanted: PasswordChange) -> GuestDone:
        """``PUT …/guest/password``. Refused with NO_GUEST_AGENT, GUEST_REFUSED."""
        path = paths.fill(paths.DOMAIN_GUEST_PASSWORD, uuid=domain_uuid)
        return self._decoded(GuestDone, self._ask("PUT", path, body=wanted))

    def guest_freeze(self, domain_uuid: uuid.UUID, wanted: FreezeRequest) -> FreezeStatus:
        """``POST …/guest/freeze``: it thaws by itself after `wanted.seconds`."""
        path = paths.fill(paths.DOMAIN_GUEST_FREEZE, uuid=domain_uuid)
        return self._decoded(FreezeStatus, self._ask("POST", path, body=wanted))

    def guest_thaw(self, domain_uuid: uuid.UUID, *, operation_id: uuid.UUID | None = None) -> FreezeStatus:
        """``POST …/guest/thaw``"""
        path = paths.fill(paths.DOMAIN_GUEST_THAW, uuid=domain_uuid)
        return self._decoded(FreezeStatus, self._ask("POST", path, body=ThawRequest(operation_id=operation_id)))

    def _change(self, domain_uuid: uuid.UUID, method: str, template: str, body: Any, **ids: uuid.UUID | str) -> Domain:
        path = paths.fill(template, uuid=domain_uuid, **ids)
        return self._domain(domain_uuid, self._ask(method, path, body=body, seconds=CHANGE_SECONDS))
