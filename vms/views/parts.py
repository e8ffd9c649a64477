"""Parts of pages that are fetched again when something changed, and what is shared by whole pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from accounts.callers import caller
from accounts.selectors import projects_for
from common.errors import EveError
from vms.activity import entries, events_of
from vms.cards import VmCard, card_for, cards_for
from vms.listing import SORTS, Listing, counts_in_words, tabs
from vms.models import Vm
from vms.selectors import state_counts, vm_for

TEMPLATES: Final[Mapping[str, str]] = {
    "card": "vms/parts/card.html",
    "row": "vms/parts/row.html",
    "managed": "vms/parts/row.html",
    "bulk": "vms/parts/row.html",
    "state": "vms/parts/state.html",
    "header": "vms/parts/header.html",
    "screen": "vms/parts/screen_card.html",
    "overview": "vms/parts/overview.html",
    "guest": "vms/parts/guest.html",
    "activity": "vms/parts/activity.html",
}
"""In which shapes a VM is shown, by the name in ``?as=``."""
EVENTS = 10
COUNTED_PARTS: Final[Mapping[str, str]] = {
    "counts": "vms/parts/counts.html",
    "tabs": "vms/parts/tabs_of_states.html",
}
"""The parts of a list of VMs, by the name in ``?part=``, for which no VM is read."""


def vm_or_404(request: HttpRequest, vm_id: UUID) -> Vm:
    """The VM, if it exists for the caller. Raises Http404."""
    vm = vm_for(caller(request), vm_id)
    if vm is None:
        raise Http404
    return vm


def shape_of(request: HttpRequest, default: str = "card") -> str:
    """The shape that the address asks for."""
    shape = request.GET.get("as", default)
    return shape if shape in TEMPLATES else default


def part_response(
    request: HttpRequest, vm: Vm, *, shape: str, error: EveError | None = None, note: str = ""
) -> HttpResponse:
    """One part of a page about one VM; with `error`, it says what just went wrong; `note` is what it says besides."""
    context = part_context(request, card_for(caller(request), vm, with_use=shape == "card"), shape=shape)
    html = render_to_string(TEMPLATES[shape], {**context, "error": error, "note": note}, request)
    response = HttpResponse(html, status=error.status if error else 200)
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "no-store"
    return response


def part_context(request: HttpRequest, card: VmCard, *, shape: str) -> dict[str, Any]:
    """What that part's template needs."""
    context: dict[str, Any] = {"card": card, "vm": card.vm, "shape": shape}
    if shape == "activity":
        context["events"] = entries(events_of(caller(request), card.vm)[:EVENTS])
    return context


def listing_context(request: HttpRequest, vms: QuerySet[Vm], *, with_use: bool = False) -> dict[str, Any]:
    """For a list of these VMs as the address asks for it; for one of :data:`COUNTED_PARTS` they are only counted."""
    listing = Listing.of(request.GET)
    counts = state_counts(listing.within(vms))
    counted = {
        "listing": listing,
        "counts": counts_in_words(counts),
        "total": sum(counts.values()),
        "tabs": tabs(counts),
        "sorts": SORTS,
    }
    if request.GET.get("part") in COUNTED_PARTS:
        return counted
    page = listing.page(vms, request.GET.get("page"), counts)
    return {**counted, "page_obj": page, "cards": cards_for(caller(request), page, with_use=with_use)}


def page_context(request: HttpRequest, *, nav: str) -> dict[str, Any]:
    """What the frame of every page for customers needs: see base.html."""
    return {"nav": nav, "projects": list(projects_for(caller(request)).order_by("name", "id"))}
