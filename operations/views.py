"""Pages of operations."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from accounts.callers import caller
from common.errors import EveError
from common.pages import back_address
from common.sentences import gettext as _

from .selectors import operations_for
from .services import operation_cancel


@login_required
@require_POST
def cancel(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """Asks for an operation's end, and goes back to where that was asked."""
    operation = get_object_or_404(operations_for(caller(request)), pk=operation_id)
    try:
        operation_cancel(operation=operation, user=caller(request))
        messages.success(request, _("It is being cancelled. What was begun is taken back."))
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect(back_address(request) or "/")
