"""Login tokens: ``eve1_PUBLIC.SECRET``, opaque to their holders, kept as digests.

The public part finds the row, the secret proves the right to it. Both are URL-safe base64, in which no ``.`` occurs.
"""

from __future__ import annotations

import datetime as dt
import re

from django.db.models import DateTimeField, Q
from django.utils import timezone

from common.prepared import Parameter, Prepared
from common.secrets import digest_of, matches, new_public, new_secret

from .models import LoginToken, User
from .selectors import second_factor_is_due

_FORM = re.compile(r"eve1_(?P<public>[A-Za-z0-9_-]{16})\.(?P<secret>[A-Za-z0-9_-]{43})", re.ASCII)
_USED_RESOLUTION = dt.timedelta(minutes=1)

_LIVING = Prepared(
    lambda: (
        LoginToken.objects.select_related("user")
        .order_by()
        .filter(
            public=Parameter("public", LoginToken._meta.get_field("public")),
            expires_at__gt=Parameter("now", DateTimeField()),
            user__is_active=True,
        )
    )
)


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
    return f"eve1_{public}.{secret}", token


def token_from_header(header: str) -> str:
    """The token in the value of an ``Authorization`` header (RFC 6750); empty where there is none."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def token_resolve(text: str) -> LoginToken | None:
    """The living token of an active user that `text` is, with its user; else None. Notes its use, to the minute.

    None, too, for staff who have to have a second factor and have none: signing in again tells them.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    now = timezone.now()
    token = _LIVING.first(public=form["public"], now=now)
    if token is None or not matches(form["secret"], token.digest) or second_factor_is_due(token.user):
        return None
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_RESOLUTION)
    if token.last_used_at is None or token.last_used_at < now - _USED_RESOLUTION:
        LoginToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
        token.last_used_at = now
    return token
