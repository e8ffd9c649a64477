"""Lists of VMs as pages show them: searched, narrowed, sorted and cut, all of it in the address."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import QueryDict
from django.utils.functional import Promise

from common.context import clean_address
from common.lists import search_text
from common.pages import uuid_of
from common.sentences import gettext_lazy as _
from common.sentences import ngettext
from common.templatetags.eve import grouped
from hypervisors.models import Hypervisor

from .models import Vm, VmState
from .selectors import listed, trouble_first

PAGE_SIZE = 48

GROUPS: Final[Mapping[str, tuple[Promise, tuple[VmState, ...]]]] = {
    "running": (_("Running"), (VmState.RUNNING, VmState.SHUTTING_DOWN)),
    "trouble": (_("Trouble"), (VmState.CRASHED, VmState.MISSING, VmState.UNKNOWN)),
    "paused": (_("Paused"), (VmState.PAUSED, VmState.SLEEPING)),
    "off": (_("Off"), (VmState.OFF,)),
}
SORTS: Final[Mapping[str, Promise]] = {
    "attention": _("Needs attention first"),
    "name": _("By name"),
    "recent": _("Latest change first"),
}


_ADDRESS: Final = re.compile(r"(?=.*[.:])[0-9A-Fa-f.:]{3,45}")
"""An IP address, or how one may begin."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the groups of states that a list can be narrowed to."""

    key: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What an address asks for."""

    search: str = ""
    group: str = ""
    project_id: UUID | None = None
    sort: str = "attention"

    @classmethod
    def of(cls, query: QueryDict) -> Listing:
        """What `query` asks for; what it cannot mean is left out."""
        group, sort = query.get("state", ""), query.get("sort", "attention")
        return cls(
            search=search_text(query.get("q", "")),
            group=group if group in GROUPS else "",
            project_id=uuid_of(query.get("project", "")),
            sort=sort if sort in SORTS else "attention",
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves something out."""
        return bool(self.search or self.group)

    def within(self, vms: QuerySet[Vm]) -> QuerySet[Vm]:
        """Those of the project, if one is chosen."""
        return vms.filter(project_id=self.project_id) if self.project_id else vms

    def page(self, vms: QuerySet[Vm], number: str | None, counts: Mapping[str, int]) -> Page[Vm]:
        """One page of what is asked for, with projects, hosts and sites.

        It is found among ids, and then its rows are read: sorting 10,000 whole rows takes the database ten times as long.

        Args:
            counts: how many are in each state before anything is searched for or narrowed to (:func:`vms.selectors.state_counts`).
        """
        states = GROUPS[self.group][1] if self.group else ()
        found = search_vms(self.within(vms), self.search)
        if states:
            found = found.filter(state__in=states)
        sorted_ids = _sorted(found, self.sort).values_list("pk", flat=True)
        if self.search:  # reads all rows: once for the page and their number
            paginator = Paginator[UUID](list(sorted_ids), PAGE_SIZE)
        else:
            paginator = _CountedPaginator(sorted_ids, count=sum(counts.get(state, 0) for state in states or counts))
        page = paginator.get_page(number)
        ids = list(page.object_list)
        rows = listed(vms).in_bulk(ids)
        found_vms = [rows[vm_id] for vm_id in ids if vm_id in rows]
        return Page(found_vms, page.number, cast(Paginator[Vm], page.paginator))


class _CountedPaginator(Paginator[UUID]):
    """One that is told how many there are."""

    def __init__(self, ids: QuerySet[Vm, UUID], *, count: int) -> None:
        super().__init__(ids, PAGE_SIZE)
        self.count = count


def search_vms(vms: QuerySet[Vm], text: str) -> QuerySet[Vm]:
    """Those whose name, remarks or host's name hold `text`, whose id it is, or whose guest told an address that begins so."""
    text = search_text(text)
    if not text:
        return vms
    hosts = Hypervisor.objects.filter(name__icontains=text)
    found = Q(name__icontains=text) | Q(remarks__icontains=text) | Q(hypervisor__in=hosts)
    with contextlib.suppress(ValueError):
        found |= Q(pk=UUID(text))
    if _ADDRESS.fullmatch(text):
        vms = vms.alias(told=Cast("guest", TextField()))
        found |= Q(told__icontains=f'"address": "{clean_address(text) or text}')
    return vms.filter(found)


def tabs(counts: Mapping[str, int]) -> list[Tab]:
    """All, and each group with how many it has; groups that are empty and seldom are left out."""
    found = [Tab("", str(_("All")), sum(counts.values()))]
    for key, (label, states) in GROUPS.items():
        count = sum(counts.get(state, 0) for state in states)
        if count or key != "paused":
            found.append(Tab(key, str(label), count))
    return found


def counts_in_words(counts: Mapping[str, int]) -> str:
    """Such as “1 crashed, 3 running, 1 off”; what needs somebody comes first."""
    words = {
        VmState.CRASHED: ngettext("%s crashed", "%s crashed", counts.get(VmState.CRASHED, 0)),
        VmState.MISSING: ngettext("%s missing", "%s missing", counts.get(VmState.MISSING, 0)),
        VmState.UNKNOWN: ngettext("%s unknown", "%s unknown", counts.get(VmState.UNKNOWN, 0)),
        VmState.PAUSED: ngettext("%s paused", "%s paused", counts.get(VmState.PAUSED, 0)),
        VmState.RUNNING: ngettext("%s running", "%s running", counts.get(VmState.RUNNING, 0)),
        VmState.SHUTTING_DOWN: ngettext("%s shutting down", "%s shutting down", counts.get(VmState.SHUTTING_DOWN, 0)),
        VmState.SLEEPING: ngettext("%s sleeping", "%s sleeping", counts.get(VmState.SLEEPING, 0)),
        VmState.OFF: ngettext("%s off", "%s off", counts.get(VmState.OFF, 0)),
    }
    return ", ".join(form % grouped(counts[state]) for state, form in words.items() if counts.get(state))


def _sorted(vms: QuerySet[Vm], sort: str) -> QuerySet[Vm]:
    if sort == "name":
        return vms.order_by("name", "id")
    if sort == "recent":
        return vms.order_by("-state_since", "id")
    return trouble_first(vms)
