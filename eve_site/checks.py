"""Mistakes in the settings, said before they do harm (``manage.py check --deploy``).

========  =====================================================================
eve.E001  no secret key
eve.E002  EVE_PUBLIC_URL is no origin
eve.E003  EVE_TRUSTED_PROXIES holds something that is no address or network
eve.E004  an allowed origin is no origin
eve.E005  a number is out of its range
eve.E006  a variable holds something that it does not take
eve.E007  the file that a variable names cannot be read, or is empty
eve.W001  plain http beyond loopback
eve.W002  a variable that nothing reads looks like one that Eve does
========  =====================================================================
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured

from common.sentences import gettext as _

from .environment import Environment

TAG = "eve"


@register(TAG)
def check_environment(**_kwargs: Any) -> Iterable[CheckMessage]:
    """eve.E002 to eve.E007 and eve.W002: what was found when the variables were read."""
    environment: Environment = settings.ENVIRONMENT
    for problem in environment.problems:
        yield Error(str(problem.what), hint=str(problem.remedy), id=problem.code)
    for stray, meant in environment.lookalikes():
        yield Warning(
            _("Nothing reads %(stray)s.") % {"stray": stray},
            hint=_("Is %(meant)s meant?") % {"meant": meant},
            id="eve.W002",
        )


@register(TAG)
def check_secret_key(**_kwargs: Any) -> Iterable[CheckMessage]:
    """eve.E001: without a key no session or link can be signed."""
    try:
        settings.SECRET_KEY  # noqa: B018  (Django raises for an empty one)
    except ImproperlyConfigured:
        yield Error(
            _("There is no secret key."),
            hint=_("Set EVE_SECRET_KEY_FILE to a file that holds 50 or more random characters."),
            id="eve.E001",
        )


@register(TAG)
def check_plain_http(**_kwargs: Any) -> Iterable[CheckMessage]:
    """eve.W001: https beyond loopback."""
    if settings.PUBLIC_URL.startswith("http:") and not _is_loopback(settings.PUBLIC_URL):
        yield Warning(
            _("EVE_PUBLIC_URL is %(url)s: passwords and consoles cross the network unencrypted.")
            % {"url": settings.PUBLIC_URL},
            hint=_("Put Eve behind a reverse proxy with TLS (docs/reverse-proxy.md) and give its https address."),
            id="eve.W001",
        )


def mistakes() -> list[str]:
    """A line for each error in the settings: what is wrong, what to do, its number."""
    found = [message for message in run_checks(tags=[TAG]) if message.is_serious()]
    return [" ".join(part for part in (message.msg, message.hint, f"({message.id})") if part) for message in found]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
