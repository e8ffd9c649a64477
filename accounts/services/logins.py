"""Signing in and out."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import authenticate
from django.db.models import F
from django.utils import timezone

from accounts.audit import audit_record
from accounts.errors import BadLogin, TooManyAttempts
from accounts.models import AuditOutcome, KnownAddress, User
from accounts.sessions import session_digest
from accounts.throttle import attempt_reserve, attempt_return, login_limits, network_of
from common.context import current_context

from .announce import announce_revoked
from .tokens import tokens_revoke_all


def login_check(*, email: str, password: str) -> User:
    """The active user with that address and password.

    Raises:
        TooManyAttempts: before the password is looked at.
        BadLogin: unknown, disabled or a wrong password: each costs one hash and says the same.
    """
    limits = login_limits(email, current_context().address)
    try:
        attempt_reserve(limits, window_seconds=settings.LOGIN_LIMIT_WINDOW_SECONDS)
    except TooManyAttempts:
        audit_record(
            action="login", actor_label=email, outcome=AuditOutcome.DENIED, detail={"why": "too many attempts"}
        )
        raise
    user = authenticate(username=email.strip(), password=password)
    if not isinstance(user, User):
        audit_record(action="login", actor_label=email, outcome=AuditOutcome.FAILURE)
        raise BadLogin
    attempt_return(limits)
    return user


def login_remember(*, user: User, how: str) -> None:
    """Writes down a sign-in that worked (`how`: ``page``, ``token``) and the place that it came from."""
    now = timezone.now()
    KnownAddress.objects.update_or_create(
        user=user, network=network_of(current_context().address), defaults={"last_login_at": now}
    )
    User.objects.filter(pk=user.pk).update(last_login=now)
    audit_record(action="login", actor=user, target=user, detail={"how": how})


def login_end(*, user: User, session_key: str | None) -> None:
    """Announces that a page's login session ended; Django's ``logout`` has flushed it."""
    audit_record(action="logout", actor=user, target=user)
    announce_revoked(session_digest=session_digest(session_key), reason="logout")


def logout_everywhere(*, user: User, reason: str = "logout") -> None:
    """Ends every login session and login token of the user."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])
    tokens_revoke_all(user=user)
    audit_record(action="logout.all", actor=user, target=user)
    announce_revoked(user_id=user.pk, reason=reason)
