"""Pools of hosts, as staff see them: from what hosts reported last, and asked for what is in one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from uuid import UUID

from django.urls import NoReverseMatch, reverse
from eve_agent.wire.host import HostFacts
from eve_agent.wire.storage import Volume

from accounts.models import User
from hypervisors.client import AgentClient
from hypervisors.models import Hypervisor, Site
from hypervisors.selectors import hypervisor_for, hypervisors_for

from .hosts import Share
from .placement import facts_of


@dataclass(frozen=True, slots=True)
class PoolOfHost:
    """A storage pool of a host."""

    hypervisor: Hypervisor
    name: str
    kind: str
    is_active: bool
    capacity_bytes: int
    available_bytes: int

    @property
    def site(self) -> Site:
        """Where its host is."""
        return self.hypervisor.site

    @property
    def url(self) -> str:
        """Its page; the list where a host gives it a name that no pool can have."""
        with contextlib.suppress(NoReverseMatch):
            return reverse("manage-pool", args=[self.hypervisor.pk, self.name])
        return reverse("manage-pools")

    @property
    def is_usable(self) -> bool:
        """Whether Eve puts images and disks there."""
        return self.is_active and self.kind == "dir"

    @property
    def share(self) -> Share:
        """How full it is; bytes."""
        return Share(self.capacity_bytes - self.available_bytes, self.capacity_bytes)


def pools_for(user: User) -> list[PoolOfHost]:
    """The pools of the hosts that the user manages, by site, host and name; one query."""
    hosts = hypervisors_for(user).select_related("site").order_by("site__name", "name")
    return [pool for host in hosts for pool in pools_of(host, facts_of(host))]


def pools_of(host: Hypervisor, facts: HostFacts | None) -> list[PoolOfHost]:
    """The pools that one host reports in its `facts`, by name."""
    return [
        PoolOfHost(host, pool.name, pool.kind, pool.is_active, pool.capacity_bytes, pool.available_bytes)
        for pool in sorted(facts.pools if facts else (), key=lambda pool: pool.name)
    ]


def pool_for(user: User, hypervisor_id: UUID, name: str) -> PoolOfHost | None:
    """That pool, if the user manages its host."""
    host = hypervisor_for(user, hypervisor_id)
    pools = pools_of(host, facts_of(host)) if host else []
    return next((pool for pool in pools if pool.name == name), None)


def volumes_in(pool: PoolOfHost) -> tuple[Volume, ...]:
    """What is in it now, by name. Asks its host; raises what the agent's client raises."""
    with AgentClient(pool.hypervisor) as agent:
        return tuple(sorted(agent.volumes(pool.name), key=lambda volume: volume.name))
