"""What the paths of making and changing domains do: decode, ask the driver, encode."""

from __future__ import annotations

import uuid

import structlog
from aiohttp import web

from eve_agent.driver.base import Driver
from eve_agent.errors import BadRequest
from eve_agent.wire.guest import FreezeRequest, GuestDone, PasswordChange, ThawRequest
from eve_agent.wire.snapshots import SnapshotRevert, SnapshotSpec
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
    TitleChange,
)

from .http import Call, answer

log = structlog.get_logger(__name__)


class MachineHandlers:
    """Making, changing and deleting domains."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def define(self, call: Call) -> web.StreamResponse:
        """``PUT /libvirt/domains/{uuid}``"""
        wanted = await call.body(DomainSpec)
        _require_same("uuid", wanted.uuid, call.ids["uuid"])
        domain = await self._driver.define_domain(wanted)
        _log("domain_defined", call, wanted.operation_id)
        return answer(domain)

    async def delete(self, call: Call) -> web.StreamResponse:
        """``DELETE /libvirt/domains/{uuid}``"""
        wanted = await call.body(DomainDelete)
        deleted = await self._driver.delete_domain(call.ids["uuid"], wanted)
        _log("domain_deleted", call, wanted.operation_id)
        return answer(deleted)

    async def resources(self, call: Call) -> web.StreamResponse:
        """``PUT …/resources``"""
        wanted = await call.body(ResourcesChange)
        status = await self._driver.change_resources(call.ids["uuid"], wanted)
        _log("resources_changed", call, wanted.operation_id)
        return answer(status)

    async def attach_disk(self, call: Call) -> web.StreamResponse:
        """``PUT …/disks/{disk}``"""
        wanted = await call.body(DiskSlot)
        _require_same("disk_uuid", wanted.disk_uuid, call.ids["disk"])
        domain = await self._driver.attach_disk(call.ids["uuid"], wanted)
        _log("disk_attached", call, wanted.operation_id)
        return answer(domain)

    async def detach_disk(self, call: Call) -> web.StreamResponse:
        """``DELETE …/disks/{disk}``"""
        wanted = await call.body(DeviceDetach)
        domain = await self._driver.detach_disk(call.ids["uuid"], call.ids["disk"])
        _log("disk_detached", call, wanted.operation_id)
        return answer(domain)

    async def grow_disk(self, call: Call) -> web.StreamResponse:
        """``PUT …/disks/{disk}/size``"""
        wanted = await call.body(DiskSize)
        domain = await self._driver.grow_disk(call.ids["uuid"], call.ids["disk"], wanted.size_bytes)
        _log("disk_grown", call, wanted.operation_id)
        return answer(domain)

    async def attach_nic(self, call: Call) -> web.StreamResponse:
        """``PUT …/nics/{mac}``"""
        wanted = await call.body(NicSlot)
        _require_same("mac", wanted.mac, call.names["mac"])
        domain = await self._driver.attach_nic(call.ids["uuid"], wanted)
        _log("nic_attached", call, wanted.operation_id)
        return answer(domain)

    async def detach_nic(self, call: Call) -> web.StreamResponse:
        """``DELETE …/nics/{mac}``"""
        wanted = await call.body(DeviceDetach)
        domain = await self._driver.detach_nic(call.ids["uuid"], call.names["mac"])
        _log("nic_detached", call, wanted.operation_id)
        return answer(domain)

    async def change_cdrom(self, call: Call) -> web.StreamResponse:
        """``PUT …/cdrom``"""
        wanted = await call.body(CdromSlot)
        domain = await self._driver.change_cdrom(call.ids["uuid"], wanted)
        _log("disc_changed", call, wanted.operation_id)
        return answer(domain)

    async def set_boot_order(self, call: Call) -> web.StreamResponse:
        """``PUT …/boot``"""
        wanted = await call.body(BootOrder)
        domain = await self._driver.set_boot_order(call.ids["uuid"], wanted.devices)
        _log("boot_order_changed", call, wanted.operation_id)
        return answer(domain)

    async def set_title(self, call: Call) -> web.StreamResponse:
        """``PUT …/title``"""
        wanted = await call.body(TitleChange)
        domain = await self._driver.set_title(call.ids["uuid"], wanted.title)
        _log("title_changed", call, wanted.operation_id)
        return answer(domain)

    async def set_autostart(self, call: Call) -> web.StreamResponse:
        """``PUT …/autostart``"""
        wanted = await call.body(AutostartChange)
        domain = await self._driver.set_autostart(call.ids["uuid"], is_autostarted=wanted.is_autostarted)
        _log("autostart_changed", call, wanted.operation_id)
        return answer(domain)


class SnapshotHandlers:
    """Snapshots of domains."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def snapshots(self, call: Call) -> web.StreamResponse:
        """``GET …/snapshots``"""
        return answer(await self._driver.snapshots(call.ids["uuid"]))

    async def make(self, call: Call) -> web.StreamResponse:
        """``PUT …/snapshots/{snapshot}``"""
        wanted = await call.body(SnapshotSpec)
        snapshot = await self._driver.make_snapshot(call.ids["uuid"], call.ids["snapshot"], wanted)
        _log("snapshot_made", call, wanted.operation_id)
        return answer(snapshot)

    async def revert(self, call: Call) -> web.StreamResponse:
        """``POST …/snapshots/{snapshot}/revert``"""
        wanted = await call.body(SnapshotRevert)
        domain = await self._driver.revert_to_snapshot(call.ids["uuid"], call.ids["snapshot"])
        _log("snapshot_reverted_to", call, wanted.operation_id)
        return answer(domain)

    async def delete(self, call: Call) -> web.StreamResponse:
        """``DELETE …/snapshots/{snapshot}``"""
        deleted = await self._driver.delete_snapshot(call.ids["uuid"], call.ids["snapshot"])
        _log("snapshot_deleted", call, None)
        return answer(deleted)


class GuestHandlers:
    """The insides of guests. What a guest says and what is said to it is not logged."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def info(self, call: Call) -> web.StreamResponse:
        """``GET …/guest``"""
        return answer(await self._driver.guest_info(call.ids["uuid"]))

    async def set_password(self, call: Call) -> web.StreamResponse:
        """``PUT …/guest/password``"""
        wanted = await call.body(PasswordChange)
        await self._driver.set_password(call.ids["uuid"], wanted.user, wanted.password)
        _log("password_set", call, wanted.operation_id)
        return answer(GuestDone(domain_uuid=call.ids["uuid"]))

    async def freeze(self, call: Call) -> web.StreamResponse:
        """``POST …/guest/freeze``"""
        wanted = await call.body(FreezeRequest)
        status = await self._driver.freeze(call.ids["uuid"], wanted.seconds)
        _log("guest_frozen", call, wanted.operation_id)
        return answer(status)

    async def thaw(self, call: Call) -> web.StreamResponse:
        """``POST …/guest/thaw``"""
        wanted = await call.body(ThawRequest)
        status = await self._driver.thaw(call.ids["uuid"])
        _log("guest_thawed", call, wanted.operation_id)
        return answer(status)


def _require_same(field: str, said: object, named: object) -> None:
    if said != named:
        raise BadRequest(f"{field} in the body is not the one in the path")


def _log(event: str, call: Call, operation_id: uuid.UUID | None) -> None:
    ids = {"domain" if name == "uuid" else name: str(value) for name, value in call.ids.items()}
    log.info(event, **ids, **({"operation": str(operation_id)} if operation_id is not None else {}))
