"""Whom a console that is asked for over HTTP will belong to."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import LoginToken, User
from accounts.sessions import session_digest

from .credentials import Principal


def caller(request: Request | HttpRequest) -> User:
    """The signed-in user who asks."""
    if not isinstance(request.user, User):
        raise TypeError("only signed-in users have consoles")
    return request.user


def principal_of(request: Request | HttpRequest) -> Principal:
    """The login token that asks, or else the login session of the page that asks."""
    user = caller(request)
    token = getattr(request, "auth", None)
    if isinstance(token, LoginToken):
        return Principal(user=user, token=token)
    return Principal(user=user, session_digest=session_digest(request.session.session_key))
