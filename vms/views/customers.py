"""Customers' pages: dashboard, list, one VM, activity."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.callers import caller
from common.errors import EveError
from common.pages import back_address
from hypervisors.selectors import hypervisors_for
from vms.activity import entries, events_for, events_of
from vms.cards import card_for, cards_for
from vms.listing import SORTS, Listing, counts_in_words, tabs
from vms.models import Vm
from vms.selectors import state_counts, vms_for
from vms.services import vm_change_state

from .parts import EVENTS, page_context, part_response, shape_of, vm_or_404

FEED = 6
ACTIVITY_PAGE = 50


@login_required
@never_cache
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """One's VMs as cards, what needs somebody first."""
    part = request.GET.get("part", "")
    templates = {
        "counts": "vms/parts/counts.html",
        "feed": "vms/parts/feed.html",
        "list": "vms/parts/cards.html",
        "tabs": "vms/parts/tabs_of_states.html",
    }
    context = _list_context(request, nav="dashboard", with_use=part in ("", "list"))
    context["events"] = entries(events_for(caller(request))[:FEED])
    return render(request, templates.get(part, "vms/dashboard.html"), context)


@login_required
@never_cache
@require_safe
def vm_list(request: HttpRequest) -> HttpResponse:
    """One's VMs as a table."""
    templates = {"list": "vms/parts/rows.html", "tabs": "vms/parts/tabs_of_states.html"}
    template = templates.get(request.GET.get("part", ""), "vms/list.html")
    return render(request, template, _list_context(request, nav="vms"))


@login_required
@never_cache
@require_safe
def vm_detail(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """One VM."""
    vm = vm_or_404(request, vm_id)
    user = caller(request)
    context = {
        **page_context(request, nav="vms"),
        "vm": vm,
        "card": card_for(user, vm),
        "events": entries(events_of(user, vm)[:EVENTS], link=False),
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


@login_required
@never_cache
@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    """What happened in one's projects."""
    page = Paginator(events_for(caller(request)), ACTIVITY_PAGE).get_page(request.GET.get("page"))
    context = {**page_context(request, nav="activity"), "page_obj": page, "events": entries(page)}
    return render(request, "vms/activity.html", context)


def vm_url(vm: Vm) -> str:
    """The address of its page."""
    return reverse("vm-detail", args=[vm.pk])


def _list_context(request: HttpRequest, *, nav: str, with_use: bool = False) -> dict[str, Any]:
    listing = Listing.of(request.GET)
    context = page_context(request, nav=nav)
    vms = vms_for(caller(request))
    counts = state_counts(listing.within(vms))
    page = listing.page(vms, request.GET.get("page"))
    chosen = [project for project in context["projects"] if project.pk == listing.project_id]
    return {
        **context,
        "project": chosen[0] if chosen else None,
        "listing": listing,
        "page_obj": page,
        "cards": cards_for(caller(request), page, with_use=with_use),
        "tabs": tabs(counts),
        "counts": counts_in_words(counts),
        "total": sum(counts.values()),
        "sorts": SORTS,
    }
