"""Login tokens: ``eve1_<public>_<secret>``, opaque to their holders, kept as digests.

The public part finds the row, the secret proves the right to it; both are URL-safe base64 without ``_``-free guarantees,
so the text is split by length, not by the separator.
"""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from common.secrets import digest_of, matches, new_public, new_secret

from .models import LoginToken, User

PREFIX = "eve1_"
_PUBLIC_CHARACTERS = 16
_USED_RESOLUTION = dt.timedelta(minutes=1)


def token_issue(*, user: User, name: str = "", ttl_seconds: int) -> tuple[str, LoginToken]:
    """A new token, and its text, which is shown once and kept nowhere."""
    public, secret = new_public(), new_secret()
    token = LoginToken.objects.create(
        user=user,
        name=name,
        public=public,
        digest=digest_of(secret),
        expires_at=timezone.now() + dt.timedelta(seconds=ttl_seconds),
    )
    return f"{PREFIX}{public}_{secret}", token


def token_from_header(header: str) -> str:
    """The token in the value of an ``Authorization`` header (RFC 6750); empty where there is none."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def token_resolve(text: str) -> LoginToken | None:
    """The living token of an active user that `text` is, with its user; else None."""
    if not text.startswith(PREFIX):
        return None
    public, separator, secret = _split(text.removeprefix(PREFIX))
    if separator != "_" or not secret:
        return None
    now = timezone.now()
    token = (
        LoginToken.objects.select_related("user")
        .filter(public=public, expires_at__gt=now, user__is_active=True)
        .first()
    )
    if token is None or not matches(secret, token.digest):
        return None
    if token.last_used_at is None or now - token.last_used_at > _USED_RESOLUTION:
        LoginToken.objects.filter(pk=token.pk).update(last_used_at=now)
        token.last_used_at = now
    return token


def _split(text: str) -> tuple[str, str, str]:
    return text[:_PUBLIC_CHARACTERS], text[_PUBLIC_CHARACTERS : _PUBLIC_CHARACTERS + 1], text[_PUBLIC_CHARACTERS + 1 :]
