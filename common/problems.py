"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, JsonResponse
from django.utils.functional import Promise
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.sentences import gettext as _
from common.sentences import gettext_lazy as _lazy

from .context import current_context
from .errors import EveError, Unavailable

CONTENT_TYPE = "application/problem+json"


def problem(
    *, status_code: int, code: str, title: str, detail: str, retryable: bool = False, **members: Any
) -> dict[str, Any]:
    """The problem details object. Its type is a relative reference: ``/problems/CODE``.

    Args:
        retryable: whether the same request may succeed later without anybody changing it.
    """
    return {
        "type": f"/problems/{code}",
        "title": title,
        "status": status_code,
        "detail": detail,
        "code": code,
        "retryable": retryable,
        "request_id": current_context().request_id,
        **members,
    }


def from_error(error: EveError) -> dict[str, Any]:
    """The problem details of one of Eve's own errors."""
    return problem(
        status_code=error.status,
        code=error.code,
        title=str(error.title),
        detail=str(error.detail),
        retryable=error.retryable,
        **error.members,
    )


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler: every error leaves as problem details; a fault of ours stays an exception."""
    headers: dict[str, str] = {}
    if isinstance(error, OperationalError | InterfaceError):
        error = Unavailable(DATABASE_AWAY)
    if isinstance(error, EveError):
        body = from_error(error)
        if error.challenge:
            headers["WWW-Authenticate"] = error.challenge
    elif isinstance(error, Http404 | ObjectDoesNotExist):
        body = _not_found()
    elif isinstance(error, PermissionDenied):
        body = _of_api_error(exceptions.PermissionDenied(*error.args[:1]))
    elif isinstance(error, ModelValidationError):
        body = _of_api_error(exceptions.ValidationError(_messages(error)))
    elif isinstance(error, exceptions.APIException):
        body = _of_api_error(error)
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
        if wait := getattr(error, "wait", None):
            headers["Retry-After"] = str(int(wait))
    else:
        return None
    set_rollback()
    if body.get("retry_after"):
        headers["Retry-After"] = str(body["retry_after"])
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def problem_response(*, status_code: int, code: str, title: str, detail: str, retryable: bool = False) -> JsonResponse:
    """Problem details outside of DRF's views."""
    body = problem(status_code=status_code, code=code, title=title, detail=detail, retryable=retryable)
    return JsonResponse(body, status=status_code, content_type=CONTENT_TYPE)


def error_response(error: EveError) -> JsonResponse:
    """The problem details of one of Eve's own errors outside of DRF's views."""
    return JsonResponse(from_error(error), status=error.status, content_type=CONTENT_TYPE)


def _not_found() -> dict[str, Any]:
    return problem(
        status_code=status.HTTP_404_NOT_FOUND,
        code="not_found",
        title=_("Not found"),
        detail=_("There is no such thing, or it is not yours."),
    )


DATABASE_AWAY: Final = _lazy("Eve's database does not answer. Nothing was changed; try again in a moment.")
_TITLES: Final[dict[type[exceptions.APIException], Promise]] = {
    exceptions.MethodNotAllowed: _lazy("That cannot be done at this address"),
    exceptions.UnsupportedMediaType: _lazy("Not in a format that is understood"),
}
"""Where the framework's own words have a gap for what was asked."""


def _of_api_error(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.NotFound):
        return _not_found()
    if isinstance(error, exceptions.ValidationError):
        return problem(
            status_code=status.HTTP_400_BAD_REQUEST,
            code="invalid",
            title=_("That is not valid"),
            detail=_first_text(error.detail),
            errors=error.detail,
        )
    codes = error.get_codes()
    return problem(
        status_code=error.status_code,
        code=codes if isinstance(codes, str) else "error",
        title=str(_TITLES.get(type(error), error.default_detail)),
        detail=_first_text(error.detail),
        retryable=isinstance(error, exceptions.Throttled),
    )


def _messages(error: ModelValidationError) -> Any:
    return error.message_dict if hasattr(error, "error_dict") else error.messages


def _first_text(detail: Any, name: str = "") -> str:
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            return _first_text(value, "" if key in ("non_field_errors", "__all__") else str(key))
        return ""
    if isinstance(detail, list | tuple):
        return _first_text(detail[0], name) if detail else ""
    return f"{name}: {detail}" if name else str(detail)
