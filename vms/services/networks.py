"""What a network card may be plugged into."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from common.errors import Invalid
from common.sentences import gettext as _
from hypervisors.models import Hypervisor
from vms.models import NicKind
from vms.placement import facts_of

Plug = tuple[str, str]
"""Kind (:class:`vms.models.NicKind`) and name."""


def plugs_of(host: Hypervisor) -> list[Plug]:
    """The active networks of the host, and its bridges that are no network's own."""
    facts = facts_of(host)
    if facts is None:
        return []
    networks = [network for network in facts.networks if network.is_active]
    taken = {network.bridge for network in networks}
    return [(NicKind.NETWORK.value, network.name) for network in networks] + [
        (NicKind.BRIDGE.value, bridge) for bridge in facts.bridges if bridge not in taken
    ]


def default_nics(host: Hypervisor) -> list[Plug]:
    """One card in the default network, where the host has it; else none."""
    plug = (NicKind.NETWORK.value, settings.DEFAULT_NETWORK)
    return [plug] if plug in plugs_of(host) else []


def nics_check(host: Hypervisor, nics: Sequence[Plug]) -> None:
    """That the host has what they are to be plugged into. Raises Invalid."""
    known = set(plugs_of(host))
    for kind, source in nics:
        if (kind, source) not in known:
            detail = _("Host %(host)s has no %(kind)s called “%(name)s”, or it is not active.") % {
                "host": host.name,
                "kind": NicKind(kind).label if kind in NicKind.values else kind,
                "name": source,
            }
            raise Invalid(detail, errors={"nics": [detail]})
