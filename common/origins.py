"""Which web pages may open a websocket."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings


def origin_is_good(headers: Iterable[tuple[bytes, bytes]], *, is_required: bool) -> bool:
    """Whether the ``Origin`` header is one of the allowed ones, exactly (scheme, host, port).

    A browser always sends it and a page cannot forge it. Programs send none, so it may be absent unless `is_required`;
    where there is one, it has to be good, and two are never.
    """
    origins = [value.decode("latin-1").lower() for name, value in headers if name.lower() == b"origin"]
    if not origins:
        return not is_required
    return len(origins) == 1 and origins[0] in settings.ALLOWED_ORIGINS
