"""Pages of what happened, and is under way: in one's projects, and to one VM."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.callers import caller
from accounts.selectors import projects_for
from common.lists import list_context
from common.pages import is_part
from operations.selectors import operations_for
from vms.activity import entries, events_for, events_of
from vms.cards import card_for
from vms.lists import ACTIVITY, OPERATIONS, VM_OPERATIONS
from vms.models import Vm
from vms.operation_lines import VM, operation_lines

from .gone import tells_its_end
from .parts import page_context, vm_or_404


@login_required
@never_cache
@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    """What happened in one's projects."""
    user = caller(request)
    context = list_context(request, events_for(user), ACTIVITY)
    context["events"] = entries(context["page_obj"], reader=user)
    if is_part(request):
        return render(request, "vms/parts/events.html", context)
    return render(
        request, "vms/activity.html", {**page_context(request, nav="activity"), "listed": "events", **context}
    )


@login_required
@never_cache
@require_safe
def operations(request: HttpRequest) -> HttpResponse:
    """What is under way in one's projects, how far, and how it ended."""
    user = caller(request)
    context = list_context(request, operations_for(user).filter(project__in=projects_for(user)), OPERATIONS)
    context |= {"lines": operation_lines(user, context["page_obj"]), "shows_target": True}
    if is_part(request):
        return render(request, "vms/parts/operations.html", context)
    frame = {**page_context(request, nav="activity"), "listed": "operations"}
    return render(request, "vms/activity.html", {**frame, **context})


@login_required
@never_cache
@require_safe
@tells_its_end
def vm_activity(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """What happened to one VM."""
    vm = vm_or_404(request, vm_id)
    context = list_context(request, events_of(caller(request), vm), ACTIVITY)
    context["events"] = entries(context["page_obj"])
    return _of_vm(request, vm, context, listed="events")


@login_required
@never_cache
@require_safe
@tells_its_end
def vm_operations(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """What was and is done with one VM, how far, and how it ended."""
    user, vm = caller(request), vm_or_404(request, vm_id)
    operations = operations_for(user).filter(target_type=VM, target_id=vm.pk)
    context = list_context(request, operations, VM_OPERATIONS)
    context["lines"] = operation_lines(user, context["page_obj"])
    return _of_vm(request, vm, context, listed="operations")


def _of_vm(request: HttpRequest, vm: Vm, context: dict[str, Any], *, listed: str) -> HttpResponse:
    """That tab of a VM's page, or only its list."""
    context |= {"shows_target": False, "vm": vm}
    if is_part(request):
        return render(request, f"vms/parts/{listed}.html", context)
    frame = {**page_context(request, nav="vms"), "card": card_for(caller(request), vm), "listed": listed}
    return render(request, "vms/vm_activity.html", {**frame, **context})
