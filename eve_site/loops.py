"""A proxy that would make browsers go in circles, told as what it is."""

from __future__ import annotations

import re
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from common.arrival import Arrival

log = structlog.get_logger(__name__)

_EXEMPT = [re.compile(pattern) for pattern in settings.SECURE_REDIRECT_EXEMPT]


class RedirectLoopMiddleware:
    """Answers in place of Django's redirect to https where that is no help: the browser came by https, but the proxy does not let Eve know.

    Stands before Django's SecurityMiddleware. That a browser came by https shows in what it sends over nothing else: ``Sec-Fetch-Site`` (to what it
    trusts only: Fetch Metadata, 2.2), a cookie whose name begins with ``__Host-``, or a forwarded header that Eve does not believe.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serves the request."""
        if not settings.SECURE_SSL_REDIRECT or request.is_secure() or _is_exempt(request):
            return self.get_response(request)
        arrival = Arrival.of_request(request)
        says_https = arrival.forwarded_proto == "https"
        if not says_https and not _is_browser_on_https(request):
            return self.get_response(request)
        is_untrusted = arrival.is_forwarded and not arrival.is_trusted
        log.warning(
            "a proxy would make browsers go in circles",
            peer=arrival.peer,
            forwarded_proto=arrival.forwarded_proto,
            is_trusted=arrival.is_trusted,
            remedy="EVE_TRUSTED_PROXIES" if is_untrusted else "X-Forwarded-Proto",
        )
        return render(request, "proxy_circles.html", {"is_untrusted": is_untrusted}, status=400)


def _is_exempt(request: HttpRequest) -> bool:
    path = request.path.lstrip("/")
    return any(pattern.search(path) for pattern in _EXEMPT)


def _is_browser_on_https(request: HttpRequest) -> bool:
    return "Sec-Fetch-Site" in request.headers or any(name.startswith("__Host-") for name in request.COOKIES)
