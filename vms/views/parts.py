"""Parts of pages that are fetched again when something changed, and what is shared by whole pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from accounts.callers import caller
from accounts.selectors import projects_for
from common.errors import EveError
from vms.activity import entries, events_of
from vms.cards import VmCard, card_for
from vms.models import Vm
from vms.selectors import vm_for

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
        context["events"] = entries(events_of(caller(request), card.vm)[:EVENTS], link=False)
    return context


def page_context(request: HttpRequest, *, nav: str) -> dict[str, Any]:
    """What the frame of every page for customers needs: see base.html."""
    return {"nav": nav, "projects": list(projects_for(caller(request)).order_by("name", "id"))}
