"""Notes that login sessions are used, and keeps staff without a second factor that is required away from everything else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from common.problems import error_response
from common.sentences import gettext as _

from .errors import SecondFactorMissing
from .models import User
from .selectors import second_factor_is_due
from .services.sessions import login_session_note

NOTE_SECONDS = 60
_NOTED = "noted-at"
_OPEN = {"logout", "profile-confirm", "two-factor", "totp-add", "passkey-add", "healthz", "readyz"}


class SessionUseMiddleware:
    """Keeps true, to the minute, when a login session was used last and from where: at most one write a minute and session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serves the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Notes it, of what asks for a sign-in; anything else may be served without a database."""
        if not getattr(view, "login_required", True) or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return
        if isinstance(request.user, User) and time.time() - request.session.get(_NOTED, 0) > NOTE_SECONDS:
            session_note(request, request.user)


def session_note(request: HttpRequest, user: User) -> None:
    """Writes down that this login session is used by `user` now."""
    request.session[_NOTED] = time.time()
    agent = request.headers.get("User-Agent", "")
    login_session_note(user=user, session_key=request.session.session_key or "", agent=agent)


class SecondFactorMiddleware:
    """Login tokens and websockets are held to the same by :mod:`accounts.tokens` and :mod:`accounts.sessions`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serves the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Sends staff without a second factor to where they set one up; tells programs."""
        if not settings.STAFF_SECOND_FACTOR or request.resolver_match is None:
            return None
        user = request.user
        if request.resolver_match.url_name in _OPEN or not isinstance(user, User) or not second_factor_is_due(user):
            return None
        if request.path.startswith("/api/"):
            return error_response(SecondFactorMissing())
        messages.warning(request, _("Staff need a second factor here. Set one up to go on."))
        return redirect("two-factor")
