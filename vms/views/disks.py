"""The page of kept disks."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.callers import caller
from common.errors import EveError
from common.pages import back_address, is_part, uuid_of
from vms.disks import disk_cards, kept_disks_for
from vms.services import disk_delete

from .parts import page_context

PAGE = 50


@login_required
@never_cache
@require_safe
def disks(request: HttpRequest) -> HttpResponse:
    """The disks that belong to no machine, the newest first."""
    user, context = caller(request), page_context(request, nav="vms")
    found = kept_disks_for(user).order_by("-kept_since", "id")
    wanted = uuid_of(request.GET.get("project", ""))
    if wanted:
        found = found.filter(project=wanted)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    cards = disk_cards(user, page)
    context |= {
        "page_obj": page,
        "cards": cards,
        "is_moving": any(card.is_ending for card in cards),
        "project": next((project for project in context["projects"] if project.pk == wanted), None),
    }
    return render(request, "vms/parts/disks.html" if is_part(request) else "vms/disks.html", context)


@login_required
@require_POST
def delete(request: HttpRequest, disk_id: UUID) -> HttpResponse:
    """Deletes one."""
    disk = get_object_or_404(kept_disks_for(caller(request)), pk=disk_id)
    try:
        disk_delete(disk=disk, user=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect(back_address(request) or "disks")
