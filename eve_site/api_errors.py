"""What the API answers where a view raises; and what Django answers outside of any view: problem details below /api/, pages elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults
from rest_framework.response import Response

from common import problems
from common.errors import EveError, Unavailable
from common.pages import form_address
from common.problems import DATABASE_AWAY, error_response, problem_response
from common.sentences import gettext as _
from hypervisors.selectors import staff_words
from operations.models import FOR_STAFF


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's: problem details, with what is for staff to those of the site where it happened."""
    words = staff_words(context["request"].user, error) if isinstance(error, EveError) else ""
    answer = problems.exception_handler(error, context)
    if answer is not None and words:
        answer.data[FOR_STAFF] = words
    return answer


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    if isinstance(exception, DisallowedHost):
        return _another_name(request)
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return problem_response(
        status_code=400,
        code="bad_request",
        title=_("That is not valid"),
        detail=_("The request cannot be understood."),
    )


def _another_name(request: HttpRequest) -> HttpResponse:
    """400: Eve was asked for by a name that is none of its own, mostly since a proxy does not pass the browser's on."""
    if not _is_api(request):
        return render(request, "400_host.html", status=400)
    return problem_response(
        status_code=400,
        code="another_name",
        title=_("Eve does not answer to that name"),
        detail=_(
            "It answers to the name in EVE_PUBLIC_URL and those in EVE_ALLOWED_HOSTS. A proxy has to pass the header Host on unchanged."
        ),
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    if not _is_api(request):
        return defaults.permission_denied(request, exception)
    return problem_response(
        status_code=403, code="not_allowed", title=_("Not allowed"), detail=_("You may not do that.")
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    if not _is_api(request):
        return render(request, "404.html", {"form_url": form_address(request)}, status=404)
    return problem_response(
        status_code=404,
        code="not_found",
        title=_("Not found"),
        detail=_("There is no such thing, or it is not yours."),
    )


def server_error(request: HttpRequest, *args: Any) -> HttpResponse:
    """500, or 503 while the database is away."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return _unavailable(request)
    if not _is_api(request):
        return defaults.server_error(request)
    return problem_response(
        status_code=500,
        code="internal",
        title=_("Something in Eve failed"),
        detail=_("It is in Eve's log, with this request's id. Virtual machines run on. Try again in a minute."),
    )


def _unavailable(request: HttpRequest) -> HttpResponse:
    """503: neither a page nor who asks for it can be looked up just now."""
    if not _is_api(request):
        response = render(None, "503.html", status=503)
        response["Retry-After"] = "30"
        return response
    return error_response(Unavailable(DATABASE_AWAY))


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
