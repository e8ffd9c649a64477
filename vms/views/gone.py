"""The page of a VM that is not there any more."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.callers import caller
from common.pages import is_part
from vms.gone import gone_vm_for

from .parts import page_context

VmPage = Callable[[HttpRequest, UUID], HttpResponse]


def tells_its_end(page: VmPage) -> VmPage:
    """Has a page about one VM say how that ended, once it is gone, to who may know; to others it was never there."""

    @wraps(page)
    def told(request: HttpRequest, vm_id: UUID) -> HttpResponse:
        try:
            return page(request, vm_id)
        except Http404:
            gone = None if is_part(request) else gone_vm_for(caller(request), vm_id)
            if gone is None:
                raise
            context = {**page_context(request, nav="vms"), "gone": gone, "operation": gone.operation}
            return render(request, "vms/gone.html", context)

    return told
