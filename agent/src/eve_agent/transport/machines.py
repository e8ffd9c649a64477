"""What the paths of making and changing domains do: decode, ask the driver, encode."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Protocol, TypeVar

import structlog
from aiohttp import web

from eve_agent.driver.base import Driver
from eve_agent.errors import BadRequest
from eve_agent.wire.domain import Domain
from eve_agent.wire.guest import FreezeRequest, FreezeStatus, GuestDone, PasswordChange, ThawRequest
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

from .http import Call, answer

log = structlog.get_logger(__name__)


class Wanted(Protocol):
    """A message that asks for a change."""

    @property
    def operation_id(self) -> uuid.UUID | None:
        """Eve's operation that it is for."""


H = TypeVar("H")
W = TypeVar("W", bound=Wanted)
Changing = Callable[[H, Call, W], Awaitable[object]]
"""A handler that is given the body decoded, and returns the message that is the answer."""
Serving = Callable[[H, Call], Awaitable[web.StreamResponse]]


def takes(cls: type[W], *, logs: str) -> Callable[[Changing[H, W]], Serving[H]]:
    """Decodes the body for a handler, encodes what it returns, and logs that the change is made."""

    def decorate(handle: Changing[H, W]) -> Serving[H]:
        @wraps(handle)
        async def handler(self: H, call: Call) -> web.StreamResponse:
            wanted = await call.body(cls)
            answered = await handle(self, call, wanted)
            _log(logs, call, wanted.operation_id)
            return answer(answered)

        return handler

    return decorate


def _log(event: str, call: Call, operation_id: uuid.UUID | None) -> None:
    ids = {"domain" if name == "uuid" else name: str(value) for name, value in call.ids.items()}
    log.info(event, **ids, **({"operation": str(operation_id)} if operation_id is not None else {}))


class MachineHandlers:
    """Making, changing and deleting domains."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @takes(DomainSpec, logs="domain_defined")
    async def define(self, call: Call, wanted: DomainSpec) -> Domain:
        """``PUT /libvirt/domains/{uuid}``"""
        _require_same("uuid", wanted.uuid, call.ids["uuid"])
        return await self._driver.define_domain(wanted)

    @takes(DomainDelete, logs="domain_deleted")
    async def delete(self, call: Call, wanted: DomainDelete) -> Deleted:
        """``DELETE /libvirt/domains/{uuid}``"""
        return await self._driver.delete_domain(call.ids["uuid"], wanted)

    @takes(ResourcesChange, logs="resources_changed")
    async def resources(self, call: Call, wanted: ResourcesChange) -> ResourcesStatus:
        """``PUT …/resources``"""
        return await self._driver.change_resources(call.ids["uuid"], wanted)

    @takes(DiskSlot, logs="disk_attached")
    async def attach_disk(self, call: Call, wanted: DiskSlot) -> Domain:
        """``PUT …/disks/{disk}``"""
        _require_same("disk_uuid", wanted.disk_uuid, call.ids["disk"])
        return await self._driver.attach_disk(call.ids["uuid"], wanted)

    @takes(DeviceDetach, logs="disk_detached")
    async def detach_disk(self, call: Call, _: DeviceDetach) -> Domain:
        """``DELETE …/disks/{disk}``"""
        return await self._driver.detach_disk(call.ids["uuid"], call.ids["disk"])

    @takes(DiskSize, logs="disk_grown")
    async def grow_disk(self, call: Call, wanted: DiskSize) -> Domain:
        """``PUT …/disks/{disk}/size``"""
        return await self._driver.grow_disk(call.ids["uuid"], call.ids["disk"], wanted.size_bytes)

    @takes(NicSlot, logs="nic_attached")
    async def attach_nic(self, call: Call, wanted: NicSlot) -> Domain:
        """``PUT …/nics/{mac}``"""
        _require_same("mac", wanted.mac, call.names["mac"])
        return await self._driver.attach_nic(call.ids["uuid"], wanted)

    @takes(DeviceDetach, logs="nic_detached")
    async def detach_nic(self, call: Call, _: DeviceDetach) -> Domain:
        """``DELETE …/nics/{mac}``"""
        return await self._driver.detach_nic(call.ids["uuid"], call.names["mac"])

    @takes(CdromSlot, logs="disc_changed")
    async def change_cdrom(self, call: Call, wanted: CdromSlot) -> Domain:
        """``PUT …/cdrom``"""
        return await self._driver.change_cdrom(call.ids["uuid"], wanted)

    @takes(BootOrder, logs="boot_order_changed")
    async def set_boot_order(self, call: Call, wanted: BootOrder) -> Domain:
        """``PUT …/boot``"""
        return await self._driver.set_boot_order(call.ids["uuid"], wanted.devices)

    @takes(TitleChange, logs="title_changed")
    async def set_title(self, call: Call, wanted: TitleChange) -> Domain:
        """``PUT …/title``"""
        return await self._driver.set_title(call.ids["uuid"], wanted.title)

    @takes(AutostartChange, logs="autostart_changed")
    async def set_autostart(self, call: Call, wanted: AutostartChange) -> Domain:
        """``PUT …/autostart``"""
        return await self._driver.set_autostart(call.ids["uuid"], is_autostarted=wanted.is_autostarted)


class SnapshotHandlers:
    """Snapshots of domains."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def snapshots(self, call: Call) -> web.StreamResponse:
        """``GET …/snapshots``"""
        return answer(await self._driver.snapshots(call.ids["uuid"]))

    @takes(SnapshotSpec, logs="snapshot_made")
    async def make(self, call: Call, wanted: SnapshotSpec) -> Snapshot:
        """``PUT …/snapshots/{snapshot}``"""
        return await self._driver.make_snapshot(call.ids["uuid"], call.ids["snapshot"], wanted)

    @takes(SnapshotRevert, logs="snapshot_reverted_to")
    async def revert(self, call: Call, _: SnapshotRevert) -> Domain:
        """``POST …/snapshots/{snapshot}/revert``"""
        return await self._driver.revert_to_snapshot(call.ids["uuid"], call.ids["snapshot"])

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

    @takes(PasswordChange, logs="password_set")
    async def set_password(self, call: Call, wanted: PasswordChange) -> GuestDone:
        """``PUT …/guest/password``"""
        await self._driver.set_password(call.ids["uuid"], wanted.user, wanted.password)
        return GuestDone(domain_uuid=call.ids["uuid"])

    @takes(FreezeRequest, logs="guest_frozen")
    async def freeze(self, call: Call, wanted: FreezeRequest) -> FreezeStatus:
        """``POST …/guest/freeze``"""
        return await self._driver.freeze(call.ids["uuid"], wanted.seconds)

    @takes(ThawRequest, logs="guest_thawed")
    async def thaw(self, call: Call, _: ThawRequest) -> FreezeStatus:
        """``POST …/guest/thaw``"""
        return await self._driver.thaw(call.ids["uuid"])


def _require_same(field: str, said: object, named: object) -> None:
    if said != named:
        raise BadRequest(f"{field} in the body is not the one in the path")
