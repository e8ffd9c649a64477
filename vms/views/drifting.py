"""Staff's pages of drift: where Eve and libvirt differ, and what is chosen about it. For others they do not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import staff_required
from accounts.callers import caller
from accounts.models import Project
from common.errors import EveError
from common.lists import PAGE_SIZE, list_context
from common.pages import back_address, uuid_of
from common.sentences import gettext as _
from common.sentences import ngettext
from vms.drift import Drift
from vms.drift_lists import DRIFT_KINDS, DriftKind
from vms.facts import display_warnings
from vms.lists import PROJECTS_FOR_MACHINES
from vms.models import DiscoveredDomain
from vms.quotas import overdraft_words
from vms.selectors import discovered_for, projects_known_to, vms_managed_by
from vms.services import vm_accept_drift, vm_adopt, vm_forget, vm_restore

from .frames import manage_context, manage_response

FIRST_FEW: Final = 10
"""So many of each kind are on the page of all."""
_PAGE, _PART = "manage/drift.html", "manage/parts/drift.html"


@dataclass(frozen=True)
class Section:
    """The list of one kind, on a page."""

    name: str
    kind: DriftKind
    context: dict[str, Any]
    """See :func:`common.lists.list_context`."""

    @property
    def template(self) -> str:
        """Its table."""
        return f"manage/drift/{self.name}.html"

    @property
    def url(self) -> str:
        """The page of all of it."""
        return reverse(f"manage-drift-{self.name}")

    @property
    def total(self) -> int:
        """How many there are."""
        return int(self.context["page_obj"].paginator.count)

    @property
    def rows(self) -> Iterable[Any]:
        """What is told of those on this page."""
        return self.kind.told(self.context["page_obj"].object_list)


@staff_required
@never_cache
@require_safe
def drift(request: HttpRequest) -> HttpResponse:
    """The first few differences of each kind."""
    found = Drift(caller(request))
    sections = [_section(request, found, name, page_size=FIRST_FEW) for name in DRIFT_KINDS]
    choices = DRIFT_KINDS["missing"].choices
    asked = choices.asked(request.GET)
    context = {
        "drift": found,
        "sections": [section for section in sections if section.total],
        "counts": [] if asked.is_narrowed else found.counts,
        "asked": asked,
        "choices": choices,
    }
    return manage_response(request, "drift", context, page=_PAGE, live_part=_PART)


@staff_required
@never_cache
@require_safe
def drift_kind(request: HttpRequest, name: str) -> HttpResponse:
    """All differences of one kind."""
    found = Drift(caller(request))
    section = _section(request, found, name, page_size=PAGE_SIZE)
    context = {"drift": found, "sections": [section] if section.total else [], "only": section, **section.context}
    return manage_response(request, "drift", context, page=_PAGE, live_part=_PART)


@staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def adopt(request: HttpRequest) -> HttpResponse:
    """Chooses the project that the domains named ``domain`` shall belong to; POST gives them to it."""
    asked = request.POST if request.method == "POST" else request.GET
    domains = _domains(request, asked)
    if not domains:
        words = _("Nothing waits there to be adopted any more: somebody may have adopted it, or it is gone.")
        messages.warning(request, words)
        return redirect("manage-drift")
    projects = projects_known_to(caller(request)).select_related("personal_owner")
    if request.method == "POST":
        chosen = uuid_of(request.POST.get("project", ""))
        if project := projects.filter(pk=chosen).first() if chosen else None:
            _adopt(request, domains, project)
            return redirect(back_address(request) or "manage-drift")
        messages.error(request, _("Choose the project that they shall belong to."))
    context = {
        **manage_context(request, "drift"),
        **list_context(request, projects, PROJECTS_FOR_MACHINES, page_size=PAGE_SIZE // 2),
        "domains": domains,
        "next": asked.get("next", ""),
    }
    return render(request, "manage/adopt.html", context)


@staff_required
@require_POST
def accept(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Agrees to what the host has."""
    return _decide(request, vm_id, vm_accept_drift, _("What the host has of %(name)s is agreed now."))


@staff_required
@require_POST
def restore(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Has the host given again what is agreed."""
    return _decide(request, vm_id, vm_restore, _("%(name)s is being restored on its host."))


@staff_required
@require_POST
def forget(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Removes a missing VM from Eve."""
    return _decide(request, vm_id, vm_forget, _("%(name)s is no longer in Eve. libvirt was not touched."))


def _section(request: HttpRequest, found: Drift, name: str, *, page_size: int) -> Section:
    kind = DRIFT_KINDS[name]
    return Section(name, kind, list_context(request, kind.rows(found), kind.choices, page_size=page_size))


def _domains(request: HttpRequest, asked: QueryDict) -> list[DiscoveredDomain]:
    """Those that are named and can be adopted, a page of them at most."""
    named = [int(text) for text in asked.getlist("domain") if text.isascii() and text.isdigit() and len(text) < 19]
    return list(discovered_for(caller(request)).filter(pk__in=named[:PAGE_SIZE], is_conflict=False))


def _adopt(request: HttpRequest, domains: list[DiscoveredDomain], project: Project) -> None:
    """Gives them to it one by one, and says what became of them."""
    adopted, warnings = [], []
    for discovered in domains:
        try:
            vm = vm_adopt(discovered=discovered, project=project, user=caller(request))
        except EveError as error:
            messages.error(request, str(error.detail))
        else:
            adopted.append(vm)
            warnings += display_warnings(vm.name, vm.facts)
    if not adopted:
        return
    words = ngettext(
        "%(name)s belongs to project %(project)s now.",
        "%(count)d machines belong to project %(project)s now.",
        len(adopted),
    )
    messages.success(request, words % {"name": adopted[0].name, "count": len(adopted), "project": project})
    for warning in [*warnings, *overdraft_words(project)]:
        messages.warning(request, warning)


def _decide(request: HttpRequest, vm_id: UUID, decision: Callable[..., object], words: str) -> HttpResponse:
    """Does what staff chose about a VM that differs, and says so, or why not."""
    managed = vms_managed_by(caller(request)).select_related("project", "hypervisor__site")
    vm = get_object_or_404(managed, pk=vm_id)
    try:
        decision(vm=vm, user=caller(request))
        messages.success(request, words % {"name": vm.name})
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect(back_address(request) or "manage-drift")
