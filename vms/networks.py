"""What a network card may be plugged into, and by whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from eve_agent.wire import codec
from eve_agent.wire.host import HostNetwork

from accounts.models import User
from hypervisors.models import Hypervisor, Site
from hypervisors.selectors import sites_for

from .models import NicKind, OpenNetwork

Plug = tuple[str, str]
"""Kind (:class:`vms.models.NicKind`) and name."""


@dataclass(frozen=True, slots=True)
class SiteNetwork:
    """A network or bridge at a site, for its staff."""

    kind: str
    name: str
    is_open: bool
    """Whether customers may use it, too."""
    is_default: bool
    """Whether it is the default network, which is always open."""

    @property
    def plug(self) -> str:
        """As forms name it."""
        return f"{self.kind}:{self.name}"


def default_plug() -> Plug:
    """The network of a new machine where nothing else is asked for. Everybody may use it."""
    return NicKind.NETWORK.value, settings.DEFAULT_NETWORK


@dataclass(frozen=True, slots=True)
class _PlugFacts:
    """What of :class:`eve_agent.wire.host.HostFacts` a card may be plugged into; the rest takes its time to be read, too."""

    bridges: tuple[str, ...] = ()
    networks: tuple[HostNetwork, ...] = ()


def plugs_of(host: Hypervisor) -> list[Plug]:
    """The active networks of the host, and its bridges that are no network's own."""
    try:
        facts = codec.from_plain(_PlugFacts, host.facts)
    except codec.DecodeError:
        return []
    networks = [network for network in facts.networks if network.is_active]
    taken = {network.bridge for network in networks}
    return [(NicKind.NETWORK.value, network.name) for network in networks] + [
        (NicKind.BRIDGE.value, bridge) for bridge in facts.bridges if bridge not in taken
    ]


def plugs_open_at(site_ids: Iterable[UUID]) -> dict[UUID, set[Plug]]:
    """What customers may use at these sites, by site."""
    found: dict[UUID, set[Plug]] = defaultdict(lambda: {default_plug()})
    for site_id, kind, name in OpenNetwork.objects.filter(site__in=set(site_ids)).values_list("site", "kind", "name"):
        found[site_id].add((kind, name))
    return found


def plugs_for(user: User, hosts: Sequence[Hypervisor]) -> list[Plug]:
    """What the user may plug cards into on any of these hosts: all for staff of their sites, else what is open there."""
    managed = set(sites_for(user).values_list("pk", flat=True))
    opened = plugs_open_at(host.site_id for host in hosts)
    return _sorted(
        plug for host in hosts for plug in plugs_of(host) if host.site_id in managed or plug in opened[host.site_id]
    )


def networks_of(site: Site) -> list[SiteNetwork]:
    """What its hosts have, and what was opened of what they have no longer."""
    opened = plugs_open_at([site.pk])[site.pk]
    had = {plug for host in Hypervisor.objects.filter(site=site).only("facts") for plug in plugs_of(host)}
    known = had | (opened - {default_plug()})
    return [SiteNetwork(*plug, is_open=plug in opened, is_default=plug == default_plug()) for plug in _sorted(known)]


def _sorted(plugs: Iterable[Plug]) -> list[Plug]:
    """Each once, networks first."""
    return sorted(set(plugs), key=lambda plug: (plug[0] != NicKind.NETWORK, plug))
