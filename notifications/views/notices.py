"""One's list of notifications, and what one wants to be told."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.callers import caller
from accounts.models import Project
from accounts.selectors import projects_for
from common.lists import list_context
from common.sentences import gettext as _
from notifications.models import HOST_KINDS, Kind, Way
from notifications.selectors import NOTICES, Chosen, choices_of, notices_for
from notifications.services import choices_set, notice_mark, notices_mark_all
from notifications.words import told


@login_required
@never_cache
@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """What one was told."""
    context = list_context(request, notices_for(caller(request)).select_related("event__project"), NOTICES)
    context["rows"] = [(notice, told(notice.event)) for notice in context["page_obj"]]
    part = request.GET.get("part") == "list"
    return render(request, "notifications/parts/list.html" if part else "notifications/list.html", context)


@login_required
@never_cache
@require_safe
def bell(request: HttpRequest) -> HttpResponse:
    """The bell of the page's head."""
    return render(request, "notifications/parts/bell.html")


@login_required
@never_cache
@require_safe
def open_notice(request: HttpRequest, notice_id: uuid.UUID) -> HttpResponse:
    """Goes to what it tells of. Whoever comes here has read it, so that it is marked; coming again changes nothing."""
    notice = get_object_or_404(notices_for(caller(request)).select_related("event"), pk=notice_id)
    notice_mark(notice=notice, is_read=True)
    return redirect(told(notice.event).path)


@login_required
@require_POST
def mark(request: HttpRequest, notice_id: uuid.UUID) -> HttpResponse:
    """Marks one as read, or as unread."""
    notice = get_object_or_404(notices_for(caller(request)), pk=notice_id)
    notice_mark(notice=notice, is_read=request.POST.get("is_read") == "1")
    return redirect("notifications")


@login_required
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Marks all as read."""
    notices_mark_all(user=caller(request))
    return redirect("notifications")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def choices(request: HttpRequest) -> HttpResponse:
    """What one wants to be told: of all projects, or of the one in ``?project=``."""
    user = caller(request)
    projects = list(projects_for(user).order_by("name", "id"))
    project = next((each for each in projects if str(each.pk) == request.GET.get("project")), None)
    if request.method == "POST":
        choices_set(user=user, project=project, wanted=_wanted(request, choices_of(user, project), project))
        messages.success(request, _("Your choices are saved."))
        return redirect(request.get_full_path())
    context = {
        "projects": projects,
        "chosen_project": project,
        "rows": _rows(choices_of(user, project)),
        "ways": list(Way),
        "sends_mail": settings.SENDS_MAIL,
    }
    return render(request, "notifications/choices.html", context)


def _wanted(request: HttpRequest, fields: list[Chosen], project: Project | None) -> dict[tuple[Kind, Way], bool | None]:
    """Of all projects each field is ticked or not; of one it is on, off, or as for all."""
    if project is None:
        return {(each.kind, each.way): each.field in request.POST for each in fields}
    answers = {"on": True, "off": False}
    return {(each.kind, each.way): answers.get(request.POST.get(each.field, "")) for each in fields}


def _rows(fields: list[Chosen]) -> list[dict[str, object]]:
    rows: dict[Kind, list[Chosen]] = {}
    for each in fields:
        rows.setdefault(each.kind, []).append(each)
    return [{"label": kind.label, "is_of_hosts": kind in HOST_KINDS, "fields": row} for kind, row in rows.items()]
