"""The signed-in user behind a request."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from .models import User


def caller(request: Request | HttpRequest) -> User:
    """The user who asks. Raises TypeError behind a view that forgot to ask for a sign-in."""
    if not isinstance(request.user, User):
        raise TypeError("this view is for signed-in users")
    return request.user
