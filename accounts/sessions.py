"""Login sessions, named without giving them away."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from common.secrets import digest_of

from .models import User
from .selectors import second_factor_is_due


def session_digest(session_key: str | None) -> str:
    """What stands for a login session in tickets, messages and records; empty for none."""
    return digest_of(session_key) if session_key else ""


def session_user(session_key: str) -> User | None:
    """The active user who is signed in by that login session now, as Django's own middleware would find them.

    None, too, for staff who have to have a second factor and have none (:mod:`accounts.middleware`).
    """
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return user if isinstance(user, User) and user.is_active and not second_factor_is_due(user) else None
