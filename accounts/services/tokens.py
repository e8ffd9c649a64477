"""Login tokens."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from accounts.audit import audit_record
from accounts.errors import BadLogin
from accounts.models import LoginToken, User
from accounts.tokens import token_issue

from .announce import announce_revoked

LEAST_TTL_SECONDS = 600
MOST_TTL_SECONDS = 90 * 86400


@transaction.atomic
def token_create(*, user: User, name: str = "", ttl_seconds: int | None = None) -> tuple[str, LoginToken]:
    """A login token of `user`, and its text, shown once.

    Args:
        ttl_seconds: 10 minutes to 90 days; 24 hours by default.

    Raises:
        BadLogin: since `user` was read they were disabled, signed out everywhere or changed their password: a sign-in that
            was under way then must not survive it.
    """
    if (
        not User.objects.select_for_update()
        .filter(pk=user.pk, is_active=True, session_epoch=user.session_epoch)
        .first()
    ):
        raise BadLogin
    text, token = token_issue(user=user, name=name, ttl_seconds=ttl_seconds or settings.LOGIN_TOKEN_SECONDS)
    audit_record(
        action="token.create",
        actor=user,
        target=token,
        target_type="token",
        detail={"name": name, "public": token.public, "expires_at": token.expires_at.isoformat()},
    )
    return text, token


@transaction.atomic
def token_revoke(*, token: LoginToken, by: User) -> None:
    """Ends one token, and what was opened with it; one that is gone already stays gone."""
    token_id = token.pk
    if not LoginToken.objects.filter(pk=token_id).delete()[0]:
        return
    audit_record(
        action="token.revoke",
        actor=by,
        target=token,
        target_type="token",
        detail={"name": token.name, "public": token.public},
    )
    announce_revoked(token_id=token_id, reason="token_revoked")


@transaction.atomic
def tokens_revoke(*, user: User) -> int:
    """Ends all of the user's tokens, and what was opened with them. Returns how many."""
    ended = list(LoginToken.objects.select_for_update().filter(user=user).order_by("pk").values_list("pk", flat=True))
    LoginToken.objects.filter(pk__in=ended).delete()
    if ended:
        audit_record(action="token.revoke_all", actor=user, target=user, detail={"count": len(ended)})
    for token_id in ended:
        announce_revoked(token_id=token_id, reason="token_revoked")
    return len(ended)
