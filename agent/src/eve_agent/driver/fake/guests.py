"""Snapshots, guests' agents and counters of the made-up hypervisor."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import time
import uuid
from typing import Any

from eve_agent.driver.rules import refuse_snapshot, refuse_without_agent
from eve_agent.errors import SnapshotNotFound
from eve_agent.wire.domain import Domain, DomainState
from eve_agent.wire.guest import FreezeStatus, GuestAddress, GuestInfo
from eve_agent.wire.snapshots import Snapshot, SnapshotSpec
from eve_agent.wire.stats import DiskStats, DomainStats, HostStats, NicStats, Stats
from eve_agent.wire.storage import Deleted

from .core import MEMORY_BYTES, THREADS
from .machines import FakeMachines

_BUSY_SHARE = 10
"""Every guest and the host keep a tenth of their processors busy."""
_BYTES_A_SECOND = 10**6


class FakeGuests(FakeMachines):
    """See :class:`~eve_agent.driver.fake.FakeDriver`."""

    def __init__(self, **options: Any) -> None:
        self._began_at = time.monotonic()
        self._snapshots: dict[uuid.UUID, dict[uuid.UUID, tuple[Snapshot, Domain]]] = {}
        self._current: dict[uuid.UUID, uuid.UUID] = {}
        self._frozen: dict[uuid.UUID, tuple[dt.datetime, asyncio.TimerHandle]] = {}
        self.without_agent: set[uuid.UUID] = set()
        """Guests where no agent runs."""
        super().__init__(**options)

    async def close(self) -> None:
        await super().close()
        for _, timer in self._frozen.values():
            timer.cancel()
        self._frozen.clear()

    async def snapshots(self, domain_uuid: uuid.UUID) -> tuple[Snapshot, ...]:
        await self._answer()
        self._get(domain_uuid)
        current = self._current.get(domain_uuid)
        return tuple(
            dataclasses.replace(snapshot, is_current=key == current)
            for key, (snapshot, _) in self._snapshots.get(domain_uuid, {}).items()
        )

    async def make_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID, wanted: SnapshotSpec) -> Snapshot:
        await self._answer()
        domain = self._get(domain_uuid)
        made = self._snapshots.setdefault(domain_uuid, {})
        if snapshot_uuid not in made:
            refuse_snapshot(domain, wanted, has_plugged_vcpus=domain_uuid in self._plugged)
            parent = self._current.get(domain_uuid)
            snapshot = Snapshot(
                name=str(snapshot_uuid),
                created_at=dt.datetime.now(dt.UTC).replace(microsecond=0),
                uuid=snapshot_uuid,
                title=wanted.title,
                parent=str(parent) if parent is not None else "",
                with_memory=wanted.with_memory,
            )
            made[snapshot_uuid] = (snapshot, domain)
            self._current[domain_uuid] = snapshot_uuid
        is_current = self._current.get(domain_uuid) == snapshot_uuid
        return dataclasses.replace(made[snapshot_uuid][0], is_current=is_current)

    async def revert_to_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> Domain:
        await self._answer()
        domain = self._get(domain_uuid)
        if snapshot_uuid not in self._snapshots.get(domain_uuid, {}):
            raise SnapshotNotFound(f"“{domain.name}” has no such snapshot.")
        snapshot, then = self._snapshots[domain_uuid][snapshot_uuid]
        self._current[domain_uuid] = snapshot_uuid
        self._plugged.discard(domain_uuid)
        state = then.state if snapshot.with_memory else DomainState.OFF
        return self._put(dataclasses.replace(then, state=state, reason="from_snapshot"))

    async def delete_snapshot(self, domain_uuid: uuid.UUID, snapshot_uuid: uuid.UUID) -> Deleted:
        await self._answer()
        self._get(domain_uuid)
        made = self._snapshots.get(domain_uuid, {})
        if snapshot_uuid not in made:
            return Deleted(was_there=False)
        gone, _ = made.pop(snapshot_uuid)
        for key, (snapshot, domain) in made.items():
            if snapshot.parent == gone.name:
                made[key] = (dataclasses.replace(snapshot, parent=gone.parent), domain)
        if self._current.get(domain_uuid) == snapshot_uuid:
            del self._current[domain_uuid]
            if gone.parent:
                self._current[domain_uuid] = uuid.UUID(gone.parent)
        return Deleted(was_there=True)

    async def guest_info(self, domain_uuid: uuid.UUID) -> GuestInfo:
        await self._answer()
        domain = self._get(domain_uuid)
        if domain.state is not DomainState.RUNNING or domain_uuid in self.without_agent:
            return GuestInfo(has_agent=False)
        addresses = tuple(
            GuestAddress(address=_address(nic.mac), prefix=24, mac=nic.mac, interface=f"eth{index}")
            for index, nic in enumerate(domain.nics)
        )
        return GuestInfo(
            has_agent=True,
            host_name=domain.name,
            os_name="Debian GNU/Linux 12 (bookworm)",
            os_id="debian",
            kernel="6.1.0-0-cloud-amd64",
            addresses=addresses,
        )

    async def set_password(self, domain_uuid: uuid.UUID, user: str, password: str) -> None:
        await self._answer()
        self._asked(domain_uuid)

    async def freeze(self, domain_uuid: uuid.UUID, seconds: int) -> FreezeStatus:
        await self._answer()
        self._asked(domain_uuid)
        if domain_uuid in self._frozen:
            return FreezeStatus(is_frozen=True, thaws_at=self._frozen[domain_uuid][0])
        ends_at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        timer = asyncio.get_running_loop().call_later(seconds, self._frozen.pop, domain_uuid, None)
        self._frozen[domain_uuid] = ends_at, timer
        return FreezeStatus(is_frozen=True, filesystems=1, thaws_at=ends_at)

    async def thaw(self, domain_uuid: uuid.UUID) -> FreezeStatus:
        await self._answer()
        self._asked(domain_uuid)
        frozen = self._frozen.pop(domain_uuid, None)
        if frozen is not None:
            frozen[1].cancel()
        return FreezeStatus(is_frozen=False, filesystems=int(frozen is not None))

    async def stats(self) -> Stats:
        await self._answer()
        seconds = time.monotonic() - self._began_at
        nanoseconds = int(seconds * 10**9)
        moved_bytes = int(seconds * _BYTES_A_SECOND)
        host = HostStats(
            cpu_busy_nanoseconds=nanoseconds * THREADS // _BUSY_SHARE,
            cpu_idle_nanoseconds=nanoseconds * THREADS * (_BUSY_SHARE - 1) // _BUSY_SHARE,
            threads_total=THREADS,
            memory_bytes=MEMORY_BYTES,
            memory_free_bytes=MEMORY_BYTES // 2,
            disk_read_bytes=moved_bytes,
            disk_write_bytes=moved_bytes,
            network_received_bytes=moved_bytes,
            network_sent_bytes=moved_bytes,
        )
        active = [domain for domain in self._domains.values() if domain.state is not DomainState.OFF]
        return Stats(
            time=dt.datetime.now(dt.UTC),
            host=host,
            domains=tuple(_stats(domain, nanoseconds, moved_bytes) for domain in active),
        )

    def remove(self, domain_uuid: uuid.UUID) -> None:
        """As :meth:`FakeCore.remove`, with its snapshots."""
        super().remove(domain_uuid)
        self._snapshots.pop(domain_uuid, None)
        self._current.pop(domain_uuid, None)

    def _asked(self, domain_uuid: uuid.UUID) -> None:
        refuse_without_agent(self._get(domain_uuid), has_agent=domain_uuid not in self.without_agent)


def _stats(domain: Domain, nanoseconds: int, moved_bytes: int) -> DomainStats:
    return DomainStats(
        uuid=domain.uuid,
        state=domain.state,
        cpu_nanoseconds=nanoseconds * domain.vcpus // _BUSY_SHARE,
        vcpus=domain.vcpus,
        memory_bytes=domain.memory_bytes,
        memory_used_bytes=domain.memory_bytes // 2,
        memory_resident_bytes=domain.memory_bytes // 2,
        disks=tuple(
            DiskStats(
                target=disk.target,
                uuid=disk.uuid,
                read_bytes=moved_bytes,
                write_bytes=moved_bytes,
                capacity_bytes=disk.capacity_bytes,
            )
            for disk in domain.disks
            if disk.device == "disk"
        ),
        nics=tuple(
            NicStats(mac=nic.mac, interface=f"vnet{index}", received_bytes=moved_bytes, sent_bytes=moved_bytes)
            for index, nic in enumerate(domain.nics)
        ),
    )


def _address(mac: str) -> str:
    """An address for documentation (RFC 5737) that follows from the card's."""
    return f"192.0.2.{int(mac.rpartition(':')[2], 16) % 254 + 1}"
