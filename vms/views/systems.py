"""Rescue, reinstallation and copies on a machine's page."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.callers import caller
from common.errors import EveError
from common.pages import uuid_of
from common.sentences import gettext as _
from vms.images import images_usable_by
from vms.services import NewSystem, vm_clone, vm_reinstall, vm_rescue, vm_rescue_end, vm_template

from .parts import vm_or_404


@login_required
@require_POST
def rescue(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Starts it from an ISO, or ends that."""
    vm, user = vm_or_404(request, vm_id), caller(request)
    try:
        if "end" in request.POST:
            vm_rescue_end(vm=vm, user=user)
        else:
            image = get_object_or_404(images_usable_by(user, vm.project), pk=uuid_of(request.POST.get("image", "")))
            vm_rescue(vm=vm, image=image, user=user)
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-settings", vm_id=vm_id)


@sensitive_post_parameters("password")
@login_required
@require_POST
def reinstall(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Makes it anew, once its name was typed."""
    vm, user = vm_or_404(request, vm_id), caller(request)
    if request.POST.get("typed", "").strip() != vm.name:
        messages.error(request, _("Nothing was changed. Type the name %(name)s to confirm.") % {"name": vm.name})
        return redirect("vm-settings", vm_id=vm_id)
    image = get_object_or_404(images_usable_by(user, vm.project), pk=uuid_of(request.POST.get("image", "")))
    keys = [line for line in request.POST.get("ssh_keys", "").splitlines() if line.strip()]
    wanted = NewSystem(
        image=image,
        ssh_keys=keys,
        password=request.POST.get("password", ""),
        user_data=request.POST.get("user_data", ""),
    )
    try:
        vm_reinstall(vm=vm, wanted=wanted, user=user)
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-settings", vm_id=vm_id)


@login_required
@require_POST
def clone(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Makes a copy, and goes to its page, where one sees how it comes."""
    vm = vm_or_404(request, vm_id)
    try:
        operation = vm_clone(vm=vm, name=request.POST.get("name", "").strip(), user=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("vm-settings", vm_id=vm_id)
    return redirect("vm-detail", vm_id=operation.target_id)


@login_required
@require_POST
def template(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Makes an image of it."""
    vm = vm_or_404(request, vm_id)
    try:
        vm_template(vm=vm, name=request.POST.get("name", "").strip(), user=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-settings", vm_id=vm_id)
