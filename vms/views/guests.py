"""What is asked of a guest's agent on its machine's page."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from accounts.callers import caller
from common.errors import EveError
from common.sentences import gettext as _
from common.sentences import ngettext
from vms.guests import guest_freeze, guest_look, guest_password_set, guest_thaw

from .parts import part_response, vm_or_404

FREEZE_SECONDS = 30


@login_required
@never_cache
@require_safe
def vm_guest(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """What the guest tells now. What it does not tell is no fault of the page."""
    vm = vm_or_404(request, vm_id)
    try:
        vm = guest_look(vm)
    except EveError as error:
        return part_response(request, vm, shape="guest", note=str(error.detail))
    return part_response(request, vm, shape="guest")


@sensitive_post_parameters("password")
@login_required
@require_POST
def vm_guest_password(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Sets a password in the guest."""
    vm = vm_or_404(request, vm_id)
    account = request.POST.get("account", "").strip()
    try:
        guest_password_set(vm=vm, user=caller(request), account=account, password=request.POST.get("password", ""))
        messages.success(request, _("The password of %(account)s is set in the guest.") % {"account": account})
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-settings", vm_id=vm_id)


@login_required
@require_POST
def vm_guest_freeze(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Freezes the guest's file systems for half a minute, or thaws them."""
    vm, user = vm_or_404(request, vm_id), caller(request)
    try:
        if "thaw" in request.POST:
            guest_thaw(vm=vm, user=user)
            messages.success(request, _("The file systems of the guest go on."))
        else:
            count = guest_freeze(vm=vm, user=user, seconds=FREEZE_SECONDS).filesystems
            words = ngettext(
                "%(count)d file system is frozen. It goes on by itself after %(seconds)d seconds.",
                "%(count)d file systems are frozen. They go on by themselves after %(seconds)d seconds.",
                count,
            )
            messages.success(request, words % {"count": count, "seconds": FREEZE_SECONDS})
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-settings", vm_id=vm_id)
