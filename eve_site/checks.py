"""Mistakes in the settings, said before they do harm (``manage.py check --deploy``).

========  =====================================================================
eve.E001  no secret key
eve.E002  EVE_PUBLIC_URL is no origin
eve.E003  EVE_TRUSTED_PROXIES holds something that is no address or network
eve.E004  an allowed origin is no origin
eve.E005  a number is out of its range
eve.W001  plain http beyond loopback
========  =====================================================================
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

_RANGES = {
    "LOGIN_TOKEN_SECONDS": ("EVE_LOGIN_TOKEN_SECONDS", 600, 90 * 86400),
    "CONSOLE_TICKET_SECONDS": ("EVE_CONSOLE_TICKET_SECONDS", 5, 300),
    "CONSOLE_RECHECK_SECONDS": ("EVE_CONSOLE_RECHECK_SECONDS", 1, 60),
    "CONSOLE_IDLE_SECONDS": ("EVE_CONSOLE_IDLE_SECONDS", 0, 7 * 86400),
    "CONSOLE_TOTAL_SECONDS": ("EVE_CONSOLE_TOTAL_SECONDS", 0, 30 * 86400),
    "CONSOLES_PER_VM": ("EVE_CONSOLES_PER_VM", 1, 1000),
    "CONSOLES_PER_USER": ("EVE_CONSOLES_PER_USER", 1, 1000),
    "LIVE_SOCKETS_PER_USER": ("EVE_LIVE_SOCKETS_PER_USER", 1, 1000),
    "OPERATION_DAYS": ("EVE_OPERATION_DAYS", 0, 3650),
    "RESYNC_SECONDS": ("EVE_RESYNC_SECONDS", 5, 3600),
    "PORT": ("EVE_PORT", 1, 65535),
}


@register(Tags.security)
def check_secret_key(**_: Any) -> Iterable[CheckMessage]:
    """eve.E001: without a key no session or link can be signed."""
    try:
        settings.SECRET_KEY  # noqa: B018  (Django raises for an empty one)
    except ImproperlyConfigured:
        yield Error(
            "There is no secret key.",
            hint="Set EVE_SECRET_KEY_FILE to a file that holds 50 or more random characters.",
            id="eve.E001",
        )


@register(Tags.urls)
def check_origins(**_: Any) -> Iterable[CheckMessage]:
    """eve.E002, eve.E004 and eve.W001: origins are scheme, host and port, and https beyond loopback."""
    if not _is_origin(settings.PUBLIC_URL):
        yield Error(
            f"EVE_PUBLIC_URL is {settings.PUBLIC_URL!r}, which is no origin.",
            hint="Give scheme, host and port only, such as https://eve.example.org.",
            id="eve.E002",
        )
    elif settings.PUBLIC_URL.startswith("http:") and not _is_loopback(settings.PUBLIC_URL):
        yield Warning(
            f"EVE_PUBLIC_URL is {settings.PUBLIC_URL!r}: passwords and consoles cross the network unencrypted.",
            hint="Put Eve behind a reverse proxy with TLS (docs/reverse-proxy.md) and give its https address.",
            id="eve.W001",
        )
    for origin in settings.ALLOWED_ORIGINS[1:]:
        if not _is_origin(origin):
            yield Error(f"EVE_ALLOWED_ORIGINS holds {origin!r}, which is no origin.", id="eve.E004")


@register(Tags.security)
def check_proxies(**_: Any) -> Iterable[CheckMessage]:
    """eve.E003: proxies are given by address or network."""
    for entry in settings.TRUSTED_PROXIES:
        try:
            ipaddress.ip_network(entry, strict=False)
        except ValueError as error:
            yield Error(
                f"EVE_TRUSTED_PROXIES holds {entry!r}: {error}.",
                hint="Give addresses or networks, such as 127.0.0.1,2001:db8::/64.",
                id="eve.E003",
            )


@register()
def check_ranges(**_: Any) -> Iterable[CheckMessage]:
    """eve.E005: numbers that would switch off a protection are refused."""
    for name, (variable, least, most) in _RANGES.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            yield Error(f"{variable} is {value}; it takes {least} to {most}.", id="eve.E005")


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return (
        parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.path or parts.query or parts.username)
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
