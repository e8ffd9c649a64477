"""Login sessions of browsers: where each is from, when it was used last, and ending one."""

from __future__ import annotations

import datetime as dt
from importlib import import_module

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import transaction
from django.utils import timezone

from accounts.audit import audit_record
from accounts.browsers import LONGEST
from accounts.models import LoginSession, User
from accounts.session_store import stored_digest
from accounts.sessions import session_digest
from common.context import current_context
from common.sentences import shown
from common.sweeping import rows_sweep

from .announce import announce_revoked


def login_session_note(*, user: User, session_key: str, agent: str) -> None:
    """Writes down that a login session is there and used, from where and by which browser (its ``User-Agent``)."""
    LoginSession.objects.update_or_create(
        digest=session_digest(session_key),
        defaults={
            "user": user,
            "address": current_context().address,
            "agent": shown(agent[:LONGEST]),
            "last_used_at": timezone.now(),
        },
    )


def login_session_forget(*, session_key: str | None) -> None:
    """Its end was written down by whoever ended it."""
    LoginSession.objects.filter(digest=session_digest(session_key)).delete()


@transaction.atomic
def login_session_end(*, session: LoginSession, by: User) -> None:
    """Signs one browser out, and ends what was opened there; one that is gone already stays gone."""
    session_id, digest = session.pk, session.digest
    if not LoginSession.objects.filter(pk=session_id).delete()[0]:
        return
    _rows().objects.filter(session_key=stored_digest(digest)).delete()
    audit_record(action="session.end", actor=by, target=session, target_type="session")
    announce_revoked(session_digest=digest, reason="logout")


def login_sessions_end(*, user: User) -> None:
    """Deletes all of them, without a word: whoever calls says why, and holds the transaction."""
    digests = list(LoginSession.objects.filter(user=user).values_list("digest", flat=True))
    _rows().objects.filter(session_key__in=[stored_digest(digest) for digest in digests]).delete()
    LoginSession.objects.filter(user=user).delete()


def login_sessions_sweep() -> None:
    """Deletes what is known of sessions that cannot be living any more: unused for as long as a session lasts."""
    oldest = timezone.now() - dt.timedelta(seconds=settings.SESSION_COOKIE_AGE)
    rows_sweep(LoginSession.objects.filter(last_used_at__lt=oldest))


def _rows() -> type[AbstractBaseSession]:
    model: type[AbstractBaseSession] = import_module(settings.SESSION_ENGINE).SessionStore.get_model_class()
    return model
