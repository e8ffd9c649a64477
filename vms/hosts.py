"""Hypervisors as staff's pages show them: capacity and VMs. What to mind is in :mod:`vms.alerts`."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from eve_agent.wire.host import HostFacts

from accounts.models import User
from hypervisors.models import Hypervisor, Outage
from hypervisors.selectors import hypervisors_for

from .models import Vm
from .placement import facts_of
from .selectors import vms_managed_by

CERTIFICATE_DAYS = 14
"""An agent's certificate that ends sooner was not renewed in time."""

RECENT = dt.timedelta(days=1)
"""Outages of this time say whether a host is steady."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of something is given out or used."""

    used: int
    total: int

    @property
    def percent(self) -> int:
        """0 to 100 and beyond, where more was given out than there is."""
        return round(100 * self.used / self.total) if self.total else 0

    @property
    def tone(self) -> str:
        """The bar's colour: ``w`` from 80 %, ``b`` from 90 %."""
        return "b" if self.percent >= 90 else "w" if self.percent >= 80 else ""


@dataclass(slots=True)
class Load:
    """What the VMs of a host come to."""

    states: Counter[str] = field(default_factory=Counter)
    """How many are in each state."""
    vcpus: int = 0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Host:
    """One hypervisor, with what its VMs come to."""

    row: Any
    """:class:`hypervisors.models.Hypervisor` with ``outage_count`` (of the last day)."""
    load: Load

    @cached_property
    def facts(self) -> HostFacts | None:
        """What it reported last."""
        return facts_of(self.row)

    @property
    def vm_count(self) -> int:
        """How many VMs it has."""
        return self.load.states.total()

    @property
    def vcpus(self) -> Share | None:
        """vCPUs of its VMs, of its threads."""
        return Share(self.load.vcpus, self.facts.cpu.threads_total) if self.facts else None

    @property
    def memory(self) -> Share | None:
        """Memory of its VMs, of what it has; bytes."""
        return Share(self.load.memory_bytes, self.facts.memory_bytes) if self.facts else None

    @property
    def storage(self) -> Share | None:
        """Used in its active pools, of which those on one file system are counted once; bytes. None without pools."""
        active = [pool for pool in self.facts.pools if pool.is_active] if self.facts else []
        pools = {pool.filesystem or place: pool for place, pool in enumerate(active)}.values()
        total = sum(pool.capacity_bytes for pool in pools)
        return Share(total - sum(pool.available_bytes for pool in pools), total) if total else None

    @property
    def clock_behind_seconds(self) -> int:
        """How far its clock is behind Eve's."""
        return -(self.row.clock_offset_seconds or 0)

    @property
    def certificate_days(self) -> int | None:
        """How long its certificate is still good; below zero once it ended."""
        end = self.row.certificate_expires_at
        return (end - timezone.now()).days if end else None

    @property
    def is_certificate_short(self) -> bool:
        """Whether that is too short."""
        return self.certificate_days is not None and self.certificate_days < CERTIFICATE_DAYS


def hosts_for(user: User) -> list[Host]:
    """The hypervisors that the user manages, by site; two queries."""
    loads = _loads_of(vms_managed_by(user))
    rows = _with_outages(hypervisors_for(user)).order_by("site__name", "name")
    return [Host(row, loads[row.pk]) for row in rows]


def host_for(user: User, hypervisor_id: UUID) -> Host | None:
    """One of them."""
    row = _with_outages(hypervisors_for(user).filter(pk=hypervisor_id)).first()
    return Host(row, _loads_of(row.vms.all())[row.pk]) if row else None


def states_of(hosts: Iterable[Host]) -> Counter[str]:
    """How many of their VMs are in each state."""
    states: Counter[str] = Counter()
    for host in hosts:
        states.update(host.load.states)
    return states


def total_of(shares: Iterable[Share | None]) -> Share | None:
    """All of them together; None where none is known."""
    known = [share for share in shares if share]
    return Share(sum(share.used for share in known), sum(share.total for share in known)) if known else None


def _loads_of(vms: QuerySet[Vm]) -> defaultdict[UUID, Load]:
    """What these VMs come to, by host; of one without any, nothing. They are counted without their hosts: to group by these is to sort all that they report."""
    loads: defaultdict[UUID, Load] = defaultdict(Load)
    groups = vms.order_by().values_list("hypervisor", "state")
    sums = groups.annotate(count=Count("*"), cores=Sum("vcpus"), memory=Sum("memory_bytes"))
    for host, state, count, vcpus, memory_bytes in sums:
        load = loads[host]
        load.states[state] += count
        load.vcpus += vcpus
        load.memory_bytes += memory_bytes
    return loads


def _with_outages(hypervisors: QuerySet[Hypervisor]) -> QuerySet[Hypervisor]:
    recent = Outage.objects.filter(hypervisor=OuterRef("pk"), began_at__gte=timezone.now() - RECENT).order_by()
    outages = recent.values("hypervisor").annotate(count=Count("pk")).values("count")
    return hypervisors.select_related("site").annotate(
        outage_count=Coalesce(Subquery(outages, output_field=IntegerField()), 0)
    )
