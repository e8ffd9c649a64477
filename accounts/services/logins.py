"""Signing in and out."""

from __future__ import annotations

import datetime as dt
from importlib import import_module

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.audit import audit_record
from accounts.errors import BadLogin, TooManyAttempts
from accounts.hashing import hashing_slot
from accounts.models import AuditOutcome, FactorKind, Invitation, KnownAddress, LoginToken, User
from accounts.sessions import session_digest
from accounts.throttle import attempt_reserve, attempt_return, counters_sweep, login_limits, network_of
from common.context import current_context
from common.errors import Unavailable
from common.sentences import gettext as _
from common.sweeping import rows_sweep

from .announce import announce_revoked
from .sessions import login_session_forget, login_sessions_end, login_sessions_sweep

ADDRESS_REMEMBERED = dt.timedelta(days=180)


def login_check(*, email: str, password: str) -> User:
    """The active user with that address and password.

    Raises:
        TooManyAttempts: before the password is looked at.
        Unavailable: too many sign-ins at once; the attempt does not count.
        BadLogin: unknown, disabled or a wrong password: each costs one hash and says the same.
    """
    limits = login_limits(email, current_context().address)
    try:
        attempt_reserve(*limits)
    except TooManyAttempts as error:
        if error.is_first:
            audit_record(
                action="login", actor_label=email, outcome=AuditOutcome.DENIED, detail={"why": "too many attempts"}
            )
        raise
    try:
        with hashing_slot():
            user = authenticate(username=email, password=password)
    except Unavailable:
        attempt_return(*limits)
        raise
    if not isinstance(user, User):
        audit_record(action="login", actor_label=email, outcome=AuditOutcome.FAILURE)
        raise BadLogin
    attempt_return(*limits)
    return user


def password_check(*, user: User, password: str) -> None:
    """That this is the password of somebody who is signed in. Raises as :func:`login_check`, in words about the password alone."""
    try:
        login_check(email=user.email, password=password)
    except BadLogin as error:
        raise BadLogin(_("The password is wrong.")) from error


def login_remember(*, user: User, how: str, second: FactorKind | None = None) -> None:
    """Writes down a sign-in that worked (`how`: ``page``, ``token``; `second`: by which second factor) and the place that it came from."""
    now = timezone.now()
    KnownAddress.objects.update_or_create(
        user=user, network=network_of(current_context().address), defaults={"last_login_at": now}
    )
    User.objects.filter(pk=user.pk).update(last_login=now)
    detail = {"how": how, **({"second": second.value} if second else {})}
    audit_record(action="login", actor=user, target=user, detail=detail)
    _expired_sweep(now)


def login_end(*, user: User, session_key: str | None) -> None:
    """Announces that a page's login session ended; Django's ``logout`` has flushed it."""
    login_session_forget(session_key=session_key)
    audit_record(action="logout", actor=user, target=user)
    announce_revoked(session_digest=session_digest(session_key), reason="logout")


@transaction.atomic
def logout_everywhere(*, user: User) -> None:
    """Ends every login session and login token of the user."""
    audit_record(action="logout.all", actor=user, target=user)
    logins_end(user=user, reason="logout")


def logins_end(*, user: User, reason: str) -> None:
    """Ends them without a word in the audit: whoever calls says why, and holds the transaction."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    LoginToken.objects.filter(user=user).delete()
    login_sessions_end(user=user)
    user.refresh_from_db(fields=["session_epoch"])
    announce_revoked(user_id=user.pk, reason=reason)


def _expired_sweep(now: dt.datetime) -> None:
    """Deletes what is over, so that tables do not grow for ever: each sign-in makes rows, and each takes some away."""
    rows_sweep(KnownAddress.objects.filter(last_login_at__lt=now - ADDRESS_REMEMBERED))
    rows_sweep(Invitation.objects.filter(expires_at__lt=now))
    rows_sweep(LoginToken.objects.filter(expires_at__lt=now))
    login_sessions_sweep()
    counters_sweep()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
