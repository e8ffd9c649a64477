"""The search of the top bar, and its page."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.callers import caller
from common.lists import search_text
from common.pages import is_part
from vms.searching import kinds_for, search

from .parts import page_context


@login_required
@never_cache
@require_safe
def searched(request: HttpRequest) -> HttpResponse:
    """What ``?q=`` finds of all that one may see; with ``?part=1`` only that, for below the box."""
    user, text = caller(request), search_text(request.GET.get("q", ""))
    groups = search(user, text)
    total = sum(group.found.total for group in groups)
    context = {"text": text, "groups": groups, "total": total, "kinds": kinds_for(user)}
    if is_part(request):
        return render(request, "vms/parts/found.html", context)
    return render(request, "vms/search.html", {**page_context(request, nav=""), **context})
