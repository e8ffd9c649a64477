"""Whether Eve is alive, ready, and what it counts."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseFault
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from accounts.tokens import token_from_header, token_resolve
from common.problems import problem_response
from common.sentences import gettext as _


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers too, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFault:
        return problem_response(
            status_code=503,
            code="database_away",
            title=_("Not ready"),
            detail=_("The database does not answer. Eve serves again as soon as it does."),
            retryable=True,
        )
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, for a staff member's token that sees all sites."""
    token = token_resolve(token_from_header(request.headers.get("Authorization", "")))
    user = token.user if token else request.user
    if not (user.is_active and user.is_staff and (user.is_superuser or not user.is_site_limited)):
        return problem_response(
            status_code=404,
            code="not_found",
            title=_("Not found"),
            detail=_("There is no such thing, or it is not yours."),
        )
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)
