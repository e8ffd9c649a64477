"""Which web pages may open a websocket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.conf import settings

from .errors import BadCredential


def origin_check(headers: Iterable[tuple[bytes, bytes]], *, is_required: bool) -> None:
    """Compares the ``Origin`` header with the exact list of allowed ones (scheme, host, port).

    A browser always sends it and a page cannot forge it. Programs send none, so it may be absent unless `is_required`;
    where there is one, it has to be good.

    Raises:
        BadCredential: absent though required, more than one, or not in the list.
    """
    origins: Sequence[bytes] = [value for name, value in headers if name.lower() == b"origin"]
    if not origins:
        if is_required:
            raise BadCredential("no origin")
        return
    if len(origins) > 1 or origins[0].decode("latin-1").lower() not in settings.ALLOWED_ORIGINS:
        raise BadCredential("bad origin")
