"""The console page, and who is watching."""

from __future__ import annotations

import uuid

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import staff_required
from accounts.callers import caller
from common.errors import EveError
from common.lists import list_context
from common.pages import back_address
from common.sentences import gettext as _
from consoles.keyboard import LAYOUTS
from consoles.models import ConsoleKind, ConsoleMode
from consoles.selectors import sessions_for, vm_for_console
from consoles.services import mode_allowed, session_cut
from consoles.viewers import CONSOLES, sessions_managed_by, viewers_of
from vms.endings import ending_of
from vms.facts import domain_of
from vms.models import Vm
from vms.selectors import vm_for
from vms.views.frames import manage_response

from .answers import off_response


@require_safe
@login_required
@never_cache
def console(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """The VM's screen, full window. Opening the page opens nothing: its script asks for a ticket."""
    context = _console_context(request, vm_id, ConsoleKind.VNC)
    return render(request, "consoles/console.html", {**context, "layouts": LAYOUTS})


@csp_update({"style-src": [UNSAFE_INLINE]})  # type: ignore[arg-type]  # as if no view had arguments
@require_safe
@login_required
@never_cache
def serial(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """The VM's serial line in a terminal, which makes its style sheets itself; hence its own policy."""
    return render(request, "consoles/serial.html", _console_context(request, vm_id, ConsoleKind.SERIAL))


def _console_context(request: HttpRequest, vm_id: uuid.UUID, kind: ConsoleKind) -> dict[str, object]:
    """What both consoles' pages need to know."""
    user = caller(request)
    vm = vm_for_console(user, vm_id)
    if vm is None:
        raise Http404
    domain = domain_of(vm.facts)
    return {
        "vm": vm,
        "can_control": mode_allowed(user, vm, ConsoleMode.CONTROL) is ConsoleMode.CONTROL,
        "kind": kind.value,
        "has_serial": domain is None or domain.has_serial or kind is ConsoleKind.SERIAL,
    }


@require_safe
@login_required
@never_cache
def off(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """Who switched the VM off and when, or that its guest did, for the pages' scripts."""
    vm = _vm_or_404(request, vm_id)
    return off_response(vm, ending_of(vm))


@require_safe
@login_required
@never_cache
def viewers(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """Who is at the VM's consoles: a part of its page, or by ``?as=names`` of what its deletion ends."""
    vm = _vm_or_404(request, vm_id)
    template = "consoles/viewer_names.html" if request.GET.get("as") == "names" else "consoles/viewers.html"
    return render(request, template, {"vm": vm, "viewers": viewers_of(caller(request), vm)})


@require_POST
@login_required
def viewer_end(request: HttpRequest, vm_id: uuid.UUID, session_id: uuid.UUID) -> HttpResponse:
    """Ends one of them."""
    vm = _vm_or_404(request, vm_id)
    session = sessions_for(caller(request)).filter(vm=vm, pk=session_id).first()
    if session is None:
        raise Http404
    try:
        session_cut(session=session, user=caller(request))
        messages.success(request, _("The console of %(name)s ends now.") % {"name": session.user_label})
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect(back_address(request) or reverse("vm-detail", args=[vm.pk]))


@staff_required
@never_cache
@require_safe
def managed(request: HttpRequest) -> HttpResponse:
    """All live consoles at the staff member's sites."""
    context = list_context(request, sessions_managed_by(caller(request)), CONSOLES)
    return manage_response(
        request, "consoles", context, page="manage/consoles.html", live_part="manage/parts/consoles.html"
    )


def _vm_or_404(request: HttpRequest, vm_id: uuid.UUID) -> Vm:
    vm = vm_for(caller(request), vm_id)
    if vm is None:
        raise Http404
    return vm
