"""On which host and in which pools a new VM is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet, Sum
from eve_agent.wire import codec
from eve_agent.wire.domain import DomainState
from eve_agent.wire.host import HostFacts, HostPool

from common.errors import Invalid
from common.sentences import gettext as _
from hypervisors.models import Hypervisor, HypervisorState

from .errors import NoRoom
from .models import DiscoveredDomain, Vm

MACHINES_SINCE = 2
"""The contract's version from which on agents make VMs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a VM is made."""

    hypervisor: Hypervisor
    pools: Sequence[str]
    """One for each disk."""


@dataclass(frozen=True, slots=True)
class Space:
    """What a disk needs."""

    size_bytes: int
    """It is thin: what it may grow to has to fit when it is made."""
    pool: str = ""
    """Empty: any."""


def place_find(
    hosts: QuerySet[Hypervisor],
    *,
    vcpus: int,
    memory_bytes: int,
    disks: Sequence[Space],
    preferred: Iterable[Any] = (),
) -> Place:
    """The best of `hosts`: with room, if possible one of the `preferred` (ids), with the most memory left. Locks its row.

    Call it in the transaction that makes the VM: who comes next counts it.

    Raises:
        NoRoom: none of them is online and has enough processors, memory and disk space; says what is missing.
        Invalid: none of them has a pool of that name.
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
    candidates = _with_processors(candidates, vcpus)
    free = pools_of(candidates)
    if not free:
        raise NoRoom(
            _(
                "No host there has a storage pool that Eve can use: an active one of type dir. The staff can make one with virsh."
            )
        )
    for disk in disks:
        pool_require_known(disk.pool or next(iter(free)), free, field="disks")
    room = memory_left(candidates)
    fitting = [row for row in candidates if room[row.pk] >= memory_bytes]
    if not fitting:
        raise NoRoom(
            _(
                "No host has %(wanted)s MiB of memory left; the most is %(most)s MiB. Choose less memory or another site."
            )
            % {"wanted": memory_bytes // 2**20, "most": max(0, *room.values()) // 2**20}
        )
    places = [Place(row, found) for row in fitting if (found := _pools_for(row, disks)) is not None]
    if not places:
        left = ", ".join(f"“{name}” {bytes_ // 2**30} GiB" for name, bytes_ in pools_of(fitting).items())
        raise NoRoom(
            _(
                "No host with enough memory has %(wanted)s GiB of space left for the disks where they are to be. The most that is left: %(left)s. "
                "Choose smaller disks or another pool."
            )
            % {"wanted": -(-sum(disk.size_bytes for disk in disks) // 2**30), "left": left or _("nothing")}
        )
    return max(places, key=lambda place: (place.hypervisor.pk in liked, room[place.hypervisor.pk]))


def memory_hold(host: Hypervisor, *, more_bytes: int) -> None:
    """Makes sure that a VM of the host may be promised so much more memory. Locks the host's row.

    Call it in the transaction that promises it: who comes next counts it.

    Raises:
        NoRoom: what the host has is promised already.
    """
    if more_bytes <= 0:
        return
    left = max(0, memory_left([Hypervisor.objects.select_for_update().get(pk=host.pk)])[host.pk])
    if left < more_bytes:
        raise NoRoom(
            _(
                "Its host has %(left)d MiB of memory left, and this needs %(wanted)d MiB more. Choose less, or ask the staff."
            )
            % {"left": left // 2**20, "wanted": more_bytes // 2**20}
        )


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


def pools_of(hosts: Iterable[Hypervisor]) -> dict[str, int]:
    """The pools of these hosts by name, in the order of :func:`usable_pools`, each with the most space in bytes that it has on one of them."""
    free: dict[str, int] = {}
    for host in hosts:
        for pool in usable_pools(host):
            free[pool.name] = max(free.get(pool.name, 0), pool.available_bytes)
    return free


def pool_require_known(name: str, known: Iterable[str], *, field: str) -> None:
    """That it is among those that disks can be made in. Raises Invalid."""
    names = list(known)
    if name not in names:
        detail = _("There is no pool “%(name)s” for disks. Choose one of: %(known)s.") % {
            "name": name[:60],
            "known": ", ".join(names),
        }
        raise Invalid(detail, errors={field: [detail]})


def pool_of(vm: Vm) -> str:
    """Where the disks of `vm` are, and so the images that it reads; of one without disks, where they would be made. Raises NoRoom."""
    pools = [disk.pool for disk in vm.disks.all()] or [pool.name for pool in usable_pools(vm.hypervisor)]
    if not pools:
        raise NoRoom(_("Host %(host)s has no active pool for images.") % {"host": vm.hypervisor.name})
    return pools[0]


def _can_make(host: Hypervisor) -> bool:
    return host.state == HypervisorState.ONLINE and (host.contract_version or 0) >= MACHINES_SINCE


def _with_processors(hosts: Sequence[Hypervisor], vcpus: int) -> list[Hypervisor]:
    """Those that have so many: a machine cannot have more than its host. Raises NoRoom."""
    processors = {host.pk: facts.cpu.threads_total for host in hosts if (facts := facts_of(host))}
    most = max(processors.values(), default=0)
    if most and vcpus > most:
        raise NoRoom(
            _("No host there has %(wanted)d processors; the most is %(most)d. Choose fewer vCPUs, or another site.")
            % {"wanted": vcpus, "most": most}
        )
    return [host for host in hosts if vcpus <= processors.get(host.pk, vcpus)]


def memory_left(hosts: Sequence[Hypervisor]) -> dict[UUID, int]:
    """Of what may be promised to VMs, by host: of its memory, less what the host itself needs, VMs were promised, and guests that Eve does not have use."""
    taken: Counter[UUID] = Counter()
    promised = Vm.objects.filter(hypervisor__in=hosts).values("hypervisor").annotate(total=Sum("memory_bytes"))
    taken.update({row["hypervisor"]: row["total"] for row in promised})
    others = DiscoveredDomain.objects.filter(hypervisor__in=hosts)
    for host_id, state, memory_bytes in others.values_list("hypervisor", "facts__state", "facts__memory_bytes"):
        if state != DomainState.OFF:
            taken[host_id] += memory_bytes or 0
    facts = {host.pk: facts_of(host) for host in hosts}
    return {
        pk: int(found.memory_bytes * settings.MEMORY_OVERCOMMIT - settings.HOST_MEMORY_BYTES) - taken[pk]
        if found
        else 0
        for pk, found in facts.items()
    }


def _pools_for(host: Hypervisor, disks: Sequence[Space]) -> list[str] | None:
    """One with room for each disk; those that may be in any lie together where one pool takes all of them. None where there is no room."""
    free = {pool.name: pool.available_bytes for pool in usable_pools(host)}
    found: dict[int, str] = {}
    for number, disk in enumerate(disks):
        if disk.pool:
            free[disk.pool] = free.get(disk.pool, 0) - disk.size_bytes
            found[number] = disk.pool
    if any(left < 0 for left in free.values()):
        return None
    anywhere = [(number, disk.size_bytes) for number, disk in enumerate(disks) if number not in found]
    total = sum(size for _number, size in anywhere)
    for name in (name for name, left in free.items() if left >= total):
        return [found.get(number, name) for number in range(len(disks))]
    for number, size in anywhere:
        name = next((name for name, left in free.items() if left >= size), "")
        if not name:
            return None
        free[name] -= size
        found[number] = name
    return [found[number] for number in range(len(disks))]
