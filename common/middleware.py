"""Middleware of every HTTP request."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from .context import RequestContext, clean_address, request_context

log = structlog.get_logger(__name__)


class RequestContextMiddleware:
    """Gives each request an id and logs it once, without its query string: that may hold a secret."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serves the request inside its context."""
        started = time.monotonic()
        afterwards: list[Callable[[], object]] = []
        address = clean_address(request.META.get("REMOTE_ADDR"))
        with request_context(RequestContext(address=address, afterwards=afterwards)) as context:
            response = self.get_response(request)
            for work in afterwards:
                work()
            response["X-Request-ID"] = context.request_id
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                milliseconds=round((time.monotonic() - started) * 1000, 1),
                address=context.address,
            )
        return response
