"""The console page."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.callers import caller

from .keyboard import LAYOUTS
from .models import ConsoleMode
from .selectors import vm_for_console
from .services import mode_allowed


@require_safe
@login_required
@never_cache
def console(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """The VM's screen, full window. Opening the page opens nothing: its script asks for a ticket."""
    user = caller(request)
    vm = vm_for_console(user, vm_id)
    if vm is None:
        raise Http404
    can_control = mode_allowed(user, vm, ConsoleMode.CONTROL) is ConsoleMode.CONTROL
    context = {"vm": vm, "can_control": can_control, "layouts": LAYOUTS}
    return render(request, "consoles/console.html", context)
