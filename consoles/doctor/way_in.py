"""How a page's requests and websockets arrive at Eve, and what is wrong with that."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache

from accounts.models import User
from accounts.services import audit_record
from accounts.throttle import attempt_reserve, limit_of
from common.arrival import Arrival
from common.sentences import gettext as _
from vms.models import Vm

PROBE_SECONDS = 180
"""As long one test takes at most, from its beginning to its last websocket."""
TESTS_PER_WINDOW = 60
"""That one person may begin in EVE_LOGIN_LIMIT_WINDOW_SECONDS: each may open websockets and ask a host."""
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-:\[\]]{1,255}")

NOT_UPGRADED, REFUSED_ORIGIN, REFUSED_BUSY, REFUSED_OTHER = "plain", "origin", "busy", "other"
"""Why a websocket that arrived was none, or was refused."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that was found, by its code in :data:`.findings.FINDINGS`, and what stands in the finding's places."""

    code: str
    values: dict[str, str]


def clean_origin(text: str) -> str:
    """`text`, if it looks like a page's origin, else nothing."""
    return text.lower() if _ORIGIN.fullmatch(text) else ""


def page_findings(arrival: Arrival, *, page: str, names_peer: bool) -> list[Seen]:
    """What is wrong with the page's own requests.

    Args:
        page: the origin of the page, as its browser says.
        names_peer: whether the proxy's address may be told.
    """
    seen = dict(_page_findings(arrival, page=page, peer=arrival.peer if names_peer else _("its address is for staff")))
    if "proxy_untrusted" in seen:
        seen.pop("proto_missing", None)  # what it says of that is not believed either way
    return [Seen(code, values) for code, values in seen.items()]


def _page_findings(arrival: Arrival, *, page: str, peer: str) -> Iterator[tuple[str, dict[str, str]]]:
    address = urlsplit(page)
    is_https = address.scheme == "https"
    host_differs = bool(page) and arrival.host.lower() != address.netloc
    if page and page not in settings.ALLOWED_ORIGINS:
        yield "origin_unknown", {"page": page, "known": settings.PUBLIC_URL}
    if arrival.is_forwarded and not arrival.is_trusted:
        yield "proxy_untrusted", {"peer": peer}
    elif page and is_https != arrival.is_secure:
        code = "proto_wrong" if arrival.forwarded_proto else "proto_missing"
        yield code, {"page": address.scheme, "seen": arrival.forwarded_proto}
    if host_differs:
        yield "host_changed", {"page": address.netloc, "seen": arrival.host}
    is_proxied = arrival.is_forwarded or is_https or host_differs
    if is_proxied and arrival.is_trusted and not arrival.forwarded_for:
        yield "client_missing", {}


# ------------------------------------------------------------------------------------------------ one test


def probe_begin(*, user: User, vm: Vm) -> uuid.UUID:
    """Begins a test of the way to that VM's console, and gives it a name for its websockets. Raises TooManyAttempts."""
    attempt_reserve(limit_of("console-doctor", str(user.pk), most=TESTS_PER_WINDOW))
    probe = uuid.uuid4()
    cache.set(_key(probe), {"user": str(user.pk), "handshake": None}, PROBE_SECONDS)
    audit_record(action="console.doctor", actor=user, target=vm, project=vm.project)
    return probe


def probe_belongs_to(probe: uuid.UUID, user: User) -> bool:
    """Whether that test goes on, and is the user's."""
    kept = cache.get(_key(probe))
    return kept is not None and kept["user"] == str(user.pk)


def handshake_note(probe: uuid.UUID, arrival: Arrival, *, refused: str = "") -> None:
    """Notes how a websocket of that test arrived: its browser is told nothing of a handshake that fails. Of no test: nothing."""
    kept: dict[str, Any] | None = cache.get(_key(probe))
    if kept is not None:
        cache.set(_key(probe), {**kept, "handshake": {**asdict(arrival), "refused": refused}}, PROBE_SECONDS)


def handshake_findings(probe: uuid.UUID, *, user: User, page: str) -> list[Seen]:
    """What is wrong with the last websocket of that test of the user's."""
    kept: dict[str, Any] = cache.get(_key(probe)) or {}
    if kept.get("user") != str(user.pk) or not kept["handshake"]:
        return [Seen("never_arrived", {})]
    fields = dict(kept["handshake"])
    refused = fields.pop("refused")
    arrival = Arrival(**fields)
    if refused == NOT_UPGRADED:
        return [Seen("upgrade_missing", {"version": arrival.http_version, "missing": _missing(arrival)})]
    if refused == REFUSED_ORIGIN:
        if page and arrival.origin.lower() != page:
            return [Seen("origin_changed", {"seen": arrival.origin, "page": page})]
        return [Seen("origin_refused", {"page": arrival.origin, "known": settings.PUBLIC_URL})]
    if refused:
        return [Seen("socket_busy" if refused == REFUSED_BUSY else "socket_refused", {})]
    return []


def _missing(arrival: Arrival) -> str:
    if not arrival.upgrade:
        return _("the header Upgrade is missing")
    if "upgrade" not in arrival.connection.lower():
        return _("the header Connection says “%(seen)s” in place of “upgrade”") % {"seen": arrival.connection or "–"}
    return _("its headers are there, but HTTP/%(version)s knows no upgrade") % {"version": arrival.http_version}


def _key(probe: uuid.UUID) -> str:
    return f"console-doctor:{probe}"
