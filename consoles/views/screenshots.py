"""The time line of a VM's screen, on a page of the VM."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.callers import caller
from common.errors import EveError
from common.pages import is_part
from common.sentences import gettext as _
from consoles.models import Screenshot
from consoles.timeline import screenshot_delete, screenshot_take, screenshots_of
from vms.cards import card_for
from vms.models import Vm
from vms.views.parts import page_context, vm_or_404


@require_safe
@login_required
@never_cache
def time_line(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """All that are kept, the newest first."""
    vm = vm_or_404(request, vm_id)
    context = {
        **page_context(request, nav="vms"),
        "vm": vm,
        "card": card_for(caller(request), vm),
        "tab": "screenshots",
        "screenshots": screenshots_of(vm),
        "most": settings.SCREENSHOTS_PER_VM,
        "most_bytes": settings.SCREENSHOT_BYTES_PER_VM,
    }
    return render(request, "consoles/parts/time_line.html" if is_part(request) else "consoles/time_line.html", context)


@require_safe
@login_required
@never_cache
def one(request: HttpRequest, vm_id: uuid.UUID, screenshot_id: uuid.UUID) -> HttpResponse:
    """One of them, as large as it is."""
    vm = vm_or_404(request, vm_id)
    screenshot = _screenshot_or_404(vm, screenshot_id)
    ids = list(screenshots_of(vm).values_list("pk", flat=True))
    place = ids.index(screenshot.pk)
    context = {
        **page_context(request, nav="vms"),
        "vm": vm,
        "card": card_for(caller(request), vm),
        "tab": "screenshots",
        "screenshot": screenshot,
        "newer": ids[place - 1] if place else None,
        "older": ids[place + 1] if place + 1 < len(ids) else None,
    }
    return render(request, "consoles/screenshot.html", context)


@require_POST
@login_required
def take(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """Keeps one as it is now."""
    vm = vm_or_404(request, vm_id)
    try:
        screenshot_take(vm=vm, user=caller(request))
        messages.success(request, _("The picture is on the time line."))
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-screenshots", vm.pk)


@require_POST
@login_required
def delete(request: HttpRequest, vm_id: uuid.UUID, screenshot_id: uuid.UUID) -> HttpResponse:
    """Deletes one."""
    vm = vm_or_404(request, vm_id)
    try:
        screenshot_delete(screenshot=_screenshot_or_404(vm, screenshot_id), user=caller(request))
        messages.success(request, _("The picture is deleted."))
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-screenshots", vm.pk)


def _screenshot_or_404(vm: Vm, screenshot_id: uuid.UUID) -> Screenshot:
    screenshot = screenshots_of(vm).filter(pk=screenshot_id).first()
    if screenshot is None:
        raise Http404
    screenshot.vm = vm
    return screenshot
