"""Whom a console that is asked for over HTTP will belong to."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.callers import caller
from accounts.models import LoginToken
from accounts.sessions import session_digest

from .credentials import Principal


def principal_of(request: Request | HttpRequest) -> Principal:
    """The login token that asks, or else the login session of the page that asks."""
    user = caller(request)
    token = getattr(request, "auth", None)
    if isinstance(token, LoginToken):
        return Principal(user=user, token=token)
    return Principal(user=user, session_digest=session_digest(request.session.session_key))
