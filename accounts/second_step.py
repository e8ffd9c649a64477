"""A sign-in between its two steps, and how long ago the password was asked for: both kept in the browser's session."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from .models import User

PENDING_SECONDS = 600
"""How long the second step may take."""
CONFIRMED_SECONDS = 600
"""How long a password counts as just typed."""

P = ParamSpec("P")

_PENDING = "second-step"
_CONFIRMED = "password-typed-at"
_QUESTION = "passkey-question"


def pending_begin(request: HttpRequest, user: User, *, target: str) -> None:
    """The password was right: remembers whose, under a new session key, until the second factor follows."""
    request.session.cycle_key()
    request.session[_PENDING] = {
        "user": str(user.pk),
        "hash": user.get_session_auth_hash(),
        "at": time.time(),
        "target": target,
    }


def pending_user(request: HttpRequest) -> tuple[User, str] | None:
    """Who is half-way in, and where they want to go; None where nobody is, it took too long, or their access has changed since."""
    kept: dict[str, Any] | None = request.session.get(_PENDING)
    if kept is None or not 0 <= time.time() - kept["at"] <= PENDING_SECONDS:
        return None
    user = User.objects.filter(pk=uuid.UUID(kept["user"]), is_active=True).first()
    if user is None or not constant_time_compare(kept["hash"], user.get_session_auth_hash()):
        return None
    return user, kept["target"]


def pending_end(request: HttpRequest) -> None:
    """Forgets it: they are in, or gave up."""
    request.session.pop(_PENDING, None)


def question_keep(request: HttpRequest, state: dict[str, Any]) -> None:
    """Remembers what a passkey is asked; only the latest question counts."""
    request.session[_QUESTION] = state


def question_take(request: HttpRequest) -> dict[str, Any]:
    """What was asked last, once; empty for nothing, which no answer fits."""
    state: dict[str, Any] = request.session.pop(_QUESTION, {})
    return state


def password_typed(request: HttpRequest) -> None:
    """The password was typed just now."""
    request.session[_CONFIRMED] = time.time()


def password_is_recent(request: HttpRequest) -> bool:
    """Whether it was typed in this session a few minutes ago at most."""
    typed_at: float = request.session.get(_CONFIRMED, 0)
    return 0 <= time.time() - typed_at <= CONFIRMED_SECONDS


def password_recent(
    start: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponse]], Callable[Concatenate[HttpRequest, P], HttpResponse]
]:
    """A page that asks for the password first, unless it was typed a moment ago. What was sent to it is then lost: one begins at the page `start`."""

    def decorated(
        view: Callable[Concatenate[HttpRequest, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @wraps(view)
        def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if password_is_recent(request):
                return view(request, *args, **kwargs)
            target = request.path if request.method in ("GET", "HEAD") else reverse(start)
            return HttpResponseRedirect(f"{reverse('profile-confirm')}?{urlencode({'next': target})}")

        return checked

    return decorated


def default_backend() -> str:
    """How Django's sessions name the way by which somebody was let in."""
    return settings.AUTHENTICATION_BACKENDS[0]
