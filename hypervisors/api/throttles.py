"""Limits on what anybody may ask without signing in."""

from __future__ import annotations

import ipaddress

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from common.context import current_context

IPV6_PREFIX = 64


class EnrolThrottle(SimpleRateThrottle):
    """By address as Eve itself sees it (an IPv6 network of 64 bits counts as one); no header of the caller's matters."""

    scope = "enrol"
    rate = "60/min"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """One count for each address."""
        return self.cache_format % {"scope": self.scope, "ident": network_of(current_context().address)}


def network_of(address: str | None) -> str:
    """The address, or the network of an IPv6 address, that counts as one caller."""
    if address is None or ":" not in address:
        return address or "unknown"
    return str(ipaddress.ip_network(f"{address}/{IPV6_PREFIX}", strict=False))
