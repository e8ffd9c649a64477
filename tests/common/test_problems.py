"""Every error leaves as problem details (RFC 9457)."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.test import Client
from rest_framework import exceptions

from common.errors import Conflict, Unavailable
from common.problems import exception_handler


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Conflict("it runs"), 409, "conflict"),
        (Unavailable("away"), 503, "unavailable"),
        (OperationalError("server closed the connection"), 503, "unavailable"),
        (InterfaceError("connection already closed"), 503, "unavailable"),
        (Http404(), 404, "not_found"),
        (exceptions.NotFound(), 404, "not_found"),
        (PermissionDenied("no"), 403, "permission_denied"),
        (ValidationError({"name": ["taken"]}), 400, "invalid"),
        (exceptions.ValidationError({"name": ["taken"]}), 400, "invalid"),
        (exceptions.ParseError(), 400, "parse_error"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.Throttled(wait=7), 429, "throttled"),
        (exceptions.UnsupportedMediaType("text/x"), 415, "unsupported_media_type"),
    ],
)
def test_shape(error: Exception, status: int, code: str) -> None:
    answer = exception_handler(error, {})
    assert answer is not None
    assert answer.status_code == answer.data["status"] == status
    assert answer.data["code"] == code
    assert answer.data["type"] == f"/problems/{code}"
    assert "{" not in answer.data["title"]
    assert answer.data["title"]
    assert answer.data["detail"]
    assert answer.data["retryable"] is (status in (429, 503))


def test_a_field_is_named_in_the_detail() -> None:
    answer = exception_handler(exceptions.ValidationError({"name": ["This is taken."]}), {})
    assert answer is not None
    assert answer.data["detail"] == "name: This is taken."
    assert answer.data["errors"] == {"name": ["This is taken."]}


def test_a_fault_stays_a_fault() -> None:
    assert exception_handler(RuntimeError("a bug"), {}) is None


def test_what_waits_says_how_long() -> None:
    answer = exception_handler(exceptions.Throttled(wait=7), {})
    assert answer is not None
    assert answer["Retry-After"] == "7"


def test_outside_of_any_view(client: Client) -> None:
    answer = client.get("/api/v1/nothing-here")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
    assert client.get("/nothing-here")["Content-Type"].startswith("text/html")
