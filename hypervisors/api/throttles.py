"""Limits on what anybody may ask without signing in."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from accounts.throttle import network_of
from common.context import current_context


class EnrolThrottle(SimpleRateThrottle):
    """By address as Eve itself sees it (an IPv6 network of 64 bits counts as one); no header of the caller's matters.

    It protects from load, not from guessing: a token is 256 random bits. So hosts enrol, unlimited, while the cache is away.
    """

    scope = "enrol"
    rate = "60/min"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """One count for each address."""
        return self.cache_format % {"scope": self.scope, "ident": network_of(current_context().address)}
