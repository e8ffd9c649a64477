"""Login tokens."""

from __future__ import annotations

from django.conf import settings

from accounts.audit import audit_record
from accounts.models import LoginToken, User
from accounts.tokens import token_issue

from .announce import announce_revoked

LEAST_TTL_SECONDS = 600
MOST_TTL_SECONDS = 90 * 86400


def token_create(*, user: User, name: str = "", ttl_seconds: int | None = None) -> tuple[str, LoginToken]:
    """A login token of `user`, and its text, shown once.

    Args:
        ttl_seconds: 10 minutes to 90 days; 24 hours by default.
    """
    text, token = token_issue(user=user, name=name, ttl_seconds=ttl_seconds or settings.LOGIN_TOKEN_SECONDS)
    audit_record(
        action="token.create",
        actor=user,
        target=token,
        target_type="token",
        detail={"name": name, "public": token.public, "expires_at": token.expires_at.isoformat()},
    )
    return text, token


def token_revoke(*, token: LoginToken, by: User) -> None:
    """Ends one token, and what was opened with it."""
    audit_record(
        action="token.revoke",
        actor=by,
        target=token,
        target_type="token",
        detail={"name": token.name, "public": token.public},
    )
    token_id = token.pk
    token.delete()
    announce_revoked(token_id=token_id, reason="token_revoked")


def tokens_revoke_all(*, user: User) -> None:
    """Ends all tokens of a user, without an announcement: whoever calls makes a wider one."""
    LoginToken.objects.filter(user=user).delete()
