"""The lists of drift: what each tells, and how it is searched and sorted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils.functional import Promise

from common.lists import Choices
from common.sentences import gettext_lazy as _

from .drift import Drift, entries_of, rightful_vms
from .facts import domain_of, exposed_displays
from .models import DiscoveredDomain

_DIFFERING: Final = Choices(
    placeholder=_("Name, UUID, host or project"),
    find=lambda text: (
        Q(name__icontains=text)
        | Q(id__icontains=text)
        | Q(hypervisor__name__icontains=text)
        | Q(project__name__icontains=text)
    ),
    sorts={
        "name": (_("By name"), ("name", "id")),
        "host": (_("By host"), ("hypervisor__name", "name", "id")),
        "new": (_("Newest first"), ("-state_since", "id")),
    },
)
_DOMAINS: Final = Choices(
    placeholder=_("Name, UUID or host"),
    find=lambda text: Q(name__icontains=text) | Q(uuid__icontains=text) | Q(hypervisor__name__icontains=text),
    sorts={
        "name": (_("By name"), ("name", "uuid", "id")),
        "host": (_("By host"), ("hypervisor__name", "name", "id")),
        "new": (_("Newest first"), ("-first_seen_at", "id")),
    },
)


@dataclass(frozen=True, kw_only=True)
class DriftKind:
    """One kind of difference, as its list on the pages tells it."""

    title: Promise
    tone: str
    """``bad`` or ``warn``."""
    note: Promise | str = ""
    """What it means, and what can be done."""
    choices: Choices
    rows: Callable[[Drift], QuerySet[Any]]
    told: Callable[[Sequence[Any]], Sequence[Any]]
    """What the table needs of the rows of one page."""


def _with_owners(conflicts: Sequence[DiscoveredDomain]) -> list[tuple[DiscoveredDomain, Any]]:
    owners = rightful_vms([row.uuid for row in conflicts])
    return [(row, owners.get(row.uuid)) for row in conflicts]


def _described(domains: Sequence[DiscoveredDomain]) -> list[tuple[DiscoveredDomain, Any, bool]]:
    return [(row, domain, bool(exposed_displays(domain))) for row in domains for domain in [domain_of(row.facts)]]


DRIFT_KINDS: Final = {
    "conflicts": DriftKind(
        title=_("Conflicts"),
        tone="bad",
        note=_(
            "These hosts report a domain whose UUID belongs to a virtual machine on another host. Eve keeps to the rightful one. If it really moved, remove it there, forget it here, then adopt it; if not, find out who copied it."
        ),
        choices=_DOMAINS,
        rows=lambda drift: drift.conflicts,
        told=_with_owners,
    ),
    "missing": DriftKind(
        title=_("In Eve, not in libvirt"),
        tone="bad",
        choices=_DIFFERING,
        rows=lambda drift: drift.missing,
        told=entries_of,
    ),
    "changed": DriftKind(
        title=_("Other than agreed"),
        tone="warn",
        choices=_DIFFERING,
        rows=lambda drift: drift.changed,
        told=entries_of,
    ),
    "unknown": DriftKind(
        title=_("In libvirt, not in Eve"),
        tone="warn",
        note=_(
            "Adopt one to give it to a project; the domain itself is not touched. What you leave here is left alone."
        ),
        choices=_DOMAINS,
        rows=lambda drift: drift.unknown,
        told=_described,
    ),
}
"""By their names in addresses, the worst first."""
