"""Customers' pages: dashboard, list, one VM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.callers import caller
from accounts.models import Project
from common.errors import EveError
from common.pages import back_address
from hypervisors.selectors import hypervisors_for
from vms.activity import entries, events_for, events_of
from vms.cards import card_for
from vms.listing import Listing
from vms.models import Vm
from vms.quotas import shares_of_each
from vms.selectors import vms_for
from vms.services import vm_change_state

from .gone import tells_its_end
from .parts import COUNTED_PARTS, EVENTS, listing_context, page_context, part_response, shape_of, vm_or_404

FEED = 6
_DASHBOARD_PARTS: Final = {**COUNTED_PARTS, "list": "vms/parts/cards.html"}
_LIST_PARTS: Final = {**COUNTED_PARTS, "list": "vms/parts/rows.html"}


@login_required
@never_cache
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """One's VMs as cards, what needs somebody first."""
    part = request.GET.get("part", "")
    if part == "feed":
        return render(request, "vms/parts/feed.html", _feed(request))
    if part == "quota":
        return render(request, "vms/parts/quota.html", _quota(request, _frame(request, "dashboard")))
    context = listing_context(request, vms_for(caller(request)), with_use=True)
    if part in _DASHBOARD_PARTS:
        return render(request, _DASHBOARD_PARTS[part], context)
    frame = _frame(request, "dashboard")
    return render(request, "vms/dashboard.html", {**context, **frame, **_quota(request, frame), **_feed(request)})


@login_required
@never_cache
@require_safe
def vm_list(request: HttpRequest) -> HttpResponse:
    """One's VMs as a table."""
    part = request.GET.get("part", "")
    context = listing_context(request, vms_for(caller(request)))
    if part in _LIST_PARTS:
        return render(request, _LIST_PARTS[part], context)
    return render(request, "vms/list.html", {**context, **_frame(request, "vms")})


@login_required
@never_cache
@require_safe
@tells_its_end
def vm_detail(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """One VM."""
    vm = vm_or_404(request, vm_id)
    user = caller(request)
    context = {
        **page_context(request, nav="vms"),
        "vm": vm,
        "card": card_for(user, vm),
        "events": entries(events_of(user, vm)[:EVENTS]),
        "is_manager": hypervisors_for(user).filter(pk=vm.hypervisor_id).exists(),
    }
    return render(request, "vms/detail.html", context)


@login_required
@never_cache
@require_safe
def vm_part(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """A part of a page about one VM, in the shape ``?as=``."""
    return part_response(request, vm_or_404(request, vm_id), shape=shape_of(request))


@login_required
@require_POST
def vm_power(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Does a power action; answers with the part that shows it, or without scripts with the page."""
    vm = vm_or_404(request, vm_id)
    error: EveError | None = None
    try:
        vm_change_state(vm=vm, action=request.POST.get("action", ""), user=caller(request))
    except EveError as refusal:
        error = refusal
    if request.headers.get("HX-Request"):
        return part_response(request, vm, shape=shape_of(request), error=error)
    if error:
        messages.error(request, str(error.detail))
    return redirect(back_address(request) or vm_url(vm))


def vm_url(vm: Vm) -> str:
    """The address of its page."""
    return reverse("vm-detail", args=[vm.pk])


def _feed(request: HttpRequest) -> dict[str, Any]:
    user = caller(request)
    return {"events": entries(events_for(user)[:FEED], reader=user)}


def _quota(request: HttpRequest, frame: Mapping[str, Any]) -> dict[str, Any]:
    """The chosen project's limits that machines take from; of all projects, those of the one that is nearest to such a limit."""
    user = caller(request)
    own_first = sorted(frame["projects"], key=lambda each: each.personal_owner_id != user.pk)
    asked: list[Project] = [frame["project"]] if frame["project"] else own_first
    limited = {
        key: [share for share in shares if share.is_of_machines and share.limit is not None]
        for key, shares in shares_of_each(asked).items()
    }
    project = max(asked, key=lambda each: max((share.percent for share in limited[each.pk]), default=-1), default=None)
    return {"quota_project": project, "shares": limited[project.pk] if project else []}


def _frame(request: HttpRequest, nav: str) -> dict[str, Any]:
    """What stands around a list, with the project that it is narrowed to."""
    context, project_id = page_context(request, nav=nav), Listing.of(request.GET).project_id
    return {**context, "project": next((each for each in context["projects"] if each.pk == project_id), None)}
