"""A VM's guest links on a page of theirs."""

from __future__ import annotations

import uuid
from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.callers import caller
from common.errors import EveError
from common.sentences import gettext as _
from common.sentences import gettext_lazy
from consoles.api.links import link_address
from consoles.links import DEFAULT_SECONDS, link_create, link_revoke
from consoles.models import ConsoleMode
from consoles.selectors import links_of, may_control
from vms.cards import card_for
from vms.views.parts import page_context, vm_or_404

HOUR, DAY = 3600, 24 * 3600
LIFETIMES: Final[dict[int, Promise]] = {
    HOUR: gettext_lazy("an hour"),
    8 * HOUR: gettext_lazy("8 hours"),
    DAY: gettext_lazy("a day"),
    7 * DAY: gettext_lazy("a week"),
    30 * DAY: gettext_lazy("30 days"),
}
SHOWN = 50


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def links(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """All of them, and a form for one more; a new one's address is in the answer to that form, and never again."""
    vm = vm_or_404(request, vm_id)
    user = caller(request)
    if not may_control(user, vm):
        raise Http404
    made = ""
    if request.method == "POST":
        mode, ttl = request.POST.get("mode", ""), request.POST.get("ttl", "")
        try:
            secret, _link = link_create(
                vm=vm,
                user=user,
                label=request.POST.get("label", ""),
                mode=ConsoleMode.CONTROL if mode == ConsoleMode.CONTROL else ConsoleMode.VIEW,
                ttl_seconds=int(ttl) if ttl in map(str, LIFETIMES) else DEFAULT_SECONDS,
            )
            made = link_address(secret)
        except EveError as error:
            messages.error(request, str(error.detail))
    context = {
        **page_context(request, nav="vms"),
        "vm": vm,
        "card": card_for(user, vm),
        "tab": "links",
        "links": links_of(vm)[:SHOWN],
        "now": timezone.now(),
        "lifetimes": LIFETIMES,
        "default_lifetime": DEFAULT_SECONDS,
        "made": made,
    }
    return render(request, "consoles/links.html", context)


@login_required
@require_POST
def end(request: HttpRequest, vm_id: uuid.UUID, link_id: uuid.UUID) -> HttpResponse:
    """Revokes one."""
    vm = vm_or_404(request, vm_id)
    link = links_of(vm).filter(pk=link_id).first()
    if link is None:
        raise Http404
    try:
        link_revoke(link=link, user=caller(request))
        messages.success(request, _("The link opens nothing any more."))
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("vm-detail", vm.pk)
    return redirect("vm-links", vm.pk)
