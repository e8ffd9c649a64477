"""On which host and in which pool a new VM is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Sum
from eve_agent.wire import codec
from eve_agent.wire.host import HostFacts, HostPool

from common.sentences import gettext as _
from hypervisors.models import Hypervisor, HypervisorState

from .errors import NoRoom
from .models import Vm

MACHINES_SINCE = 2
"""The contract's version from which on agents make VMs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a VM is made."""

    hypervisor: Hypervisor
    pool: str


def place_find(
    hosts: QuerySet[Hypervisor], *, memory_bytes: int, disk_bytes: int, pool: str = "", preferred: Iterable[Any] = ()
) -> Place:
    """The best of `hosts`: with room, if possible one of the `preferred` (ids), with the most memory left. Locks its row.

    Call it in the transaction that makes the VM: who comes next counts it.

    Raises:
        NoRoom: none of them is online and has enough memory and disk space; says what is missing.
    """
    liked = set(preferred)
    rows = list(hosts.select_for_update().order_by("pk"))
    candidates = [row for row in rows if _can_make(row)]
    if not candidates:
        raise NoRoom(
            _("No host can make virtual machines just now: none is online with an agent that is new enough.")
            if rows
            else _("There is no host there.")
        )
    if not any(usable_pools(row) for row in candidates):
        raise NoRoom(
            _(
                "No host there has a storage pool that Eve can use: an active one of type dir. The staff can make one with virsh."
            )
        )
    room = {row.pk: _memory_left(row) for row in candidates}
    fitting = [row for row in candidates if room[row.pk] >= memory_bytes]
    if not fitting:
        raise NoRoom(
            _(
                "No host has %(wanted)s MiB of memory left; the most is %(most)s MiB. Choose less memory or another site."
            )
            % {"wanted": memory_bytes // 2**20, "most": max(0, *room.values()) // 2**20}
        )
    places = [Place(row, found) for row in fitting if (found := _pool_of(row, disk_bytes, pool))]
    if not places:
        raise NoRoom(
            _("No pool%(named)s has %(wanted)s GiB of space left on a host with enough memory. Choose smaller disks.")
            % {"named": f" “{pool}”" if pool else "", "wanted": -(-disk_bytes // 2**30)}
        )
    return max(places, key=lambda place: (place.hypervisor.pk in liked, room[place.hypervisor.pk]))


def pool_for_image(hosts: QuerySet[Hypervisor], *, size_bytes: int) -> tuple[Hypervisor, str]:
    """Where an image is put first: the one of `hosts`, and its pool, with the most space. Raises NoRoom."""
    able = [host for host in hosts.select_related("site").order_by("pk") if _can_make(host)]
    if not able:
        raise NoRoom(_("No host there can take images just now. Try again later, or choose another site."))
    places = [(host, pool) for host in able for pool in usable_pools(host)[:1] if pool.available_bytes > size_bytes]
    if not places:
        raise NoRoom(_("No pool there has %(wanted)s GiB of space left.") % {"wanted": -(-size_bytes // 2**30)})
    host, pool = max(places, key=lambda place: place[1].available_bytes)
    return host, pool.name


def facts_of(host: Hypervisor) -> HostFacts | None:
    """What the host told last, if it can be read."""
    if not host.facts:
        return None
    try:
        return codec.from_plain(HostFacts, host.facts)
    except codec.DecodeError:
        return None


def usable_pools(host: Hypervisor) -> Sequence[HostPool]:
    """The pools that disks can be made in, the default one first, then by space."""
    facts = facts_of(host)
    pools = [pool for pool in facts.pools if pool.kind == "dir" and pool.is_active] if facts else []
    return sorted(pools, key=lambda pool: (pool.name != settings.DEFAULT_POOL, -pool.available_bytes, pool.name))


def pool_of(vm: Vm) -> str:
    """Where the disks of `vm` are, and so the images that it reads; of one without disks, where they would be made. Raises NoRoom."""
    pools = [disk.pool for disk in vm.disks.all()] or [pool.name for pool in usable_pools(vm.hypervisor)]
    if not pools:
        raise NoRoom(_("Host %(host)s has no active pool for images.") % {"host": vm.hypervisor.name})
    return pools[0]


def _can_make(host: Hypervisor) -> bool:
    return host.state == HypervisorState.ONLINE and (host.contract_version or 0) >= MACHINES_SINCE


def _memory_left(host: Hypervisor) -> int:
    """Of what may be promised to VMs: of the host's memory, less what the host itself needs and what VMs were promised."""
    facts = facts_of(host)
    if facts is None:
        return 0
    promised: int = Vm.objects.filter(hypervisor=host).aggregate(total=Sum("memory_bytes", default=0))["total"]
    return int(facts.memory_bytes * settings.MEMORY_OVERCOMMIT - settings.HOST_MEMORY_BYTES) - promised


def _pool_of(host: Hypervisor, disk_bytes: int, wanted: str) -> str:
    """The first pool with room. Disks are thin: what they may grow to has to fit when they are made."""
    for pool in usable_pools(host):
        if (not wanted or pool.name == wanted) and pool.available_bytes >= disk_bytes:
            return pool.name
    return ""
