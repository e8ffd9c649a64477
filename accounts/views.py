"""Signing in and out, passwords."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlsafe_base64_decode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from common.context import current_context
from common.errors import EveError

from .errors import LinkSpent, TooManyAttempts
from .forms import LoginForm, NewPasswordForm, PasswordForgottenForm
from .mail import password_mail_send
from .models import User
from .services import login_check, login_end, login_remember, password_link, password_set_by_link
from .throttle import Limit, attempt_reserve, network_of

_LINK_IN_SESSION = "password-link"
_LINK_WORD = "now"
_LINKS_PER_ADDRESS = 10


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def login_view(request: HttpRequest) -> HttpResponse:
    """The way in, for the portal and for /admin."""
    target = safe_next(request)
    if request.method == "GET" and isinstance(request.user, User):
        return HttpResponseRedirect(target)
    form = LoginForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            user = login_check(**form.cleaned_data)
        except EveError as error:
            form.add_error(None, str(error.detail))
            status = error.status
        else:
            login(request, user)
            login_remember(user=user, how="page")
            return HttpResponseRedirect(target)
    return render(request, "accounts/login.html", {"form": form, "next": target}, status=status)


@require_POST
def logout_view(request: HttpRequest) -> HttpResponse:
    """The way out; a second click finds it done."""
    user, session_key = request.user, request.session.session_key
    logout(request)
    if isinstance(user, User):
        login_end(user=user, session_key=session_key)
    messages.success(request, _("You are signed out."))
    return redirect(settings.LOGOUT_REDIRECT_URL)


@never_cache
@require_http_methods(["GET", "POST"])
def password_forgotten(request: HttpRequest) -> HttpResponse:
    """Asks for a link by mail; the answer is the same whether there is such an account or not."""
    form = PasswordForgottenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            network = network_of(current_context().address)
            attempt_reserve(
                [Limit(f"link:{network}", _LINKS_PER_ADDRESS)], window_seconds=settings.LOGIN_LIMIT_WINDOW_SECONDS
            )
        except TooManyAttempts as error:
            form.add_error(None, str(error.detail))
        else:
            user = User.objects.filter(email__iexact=form.cleaned_data["email"], is_active=True).first()
            if user is not None:
                password_mail_send(user=user, link=password_link(user=user))
            return render(request, "accounts/password_forgotten_done.html", {"email": form.cleaned_data["email"]})
    return render(request, "accounts/password_forgotten.html", {"form": form})


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
def password_set(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """Sets a password by a one-use link.

    The link's secret moves into the session at once, so that neither the address bar nor a Referer keeps it.
    """
    user = _user_of_link(uidb64)
    if token != _LINK_WORD:
        if user is None or not user.is_active or not default_token_generator.check_token(user, token):
            return render(request, "accounts/link_spent.html", {"error": LinkSpent()}, status=LinkSpent.status)
        request.session[_LINK_IN_SESSION] = token
        return redirect("password-set", uidb64=uidb64, token=_LINK_WORD)
    token = request.session.get(_LINK_IN_SESSION, "")
    form = NewPasswordForm(request.POST or None)
    if user is None or not default_token_generator.check_token(user, token):
        return render(request, "accounts/link_spent.html", {"error": LinkSpent()}, status=LinkSpent.status)
    if request.method == "POST" and form.is_valid():
        try:
            password_set_by_link(user=user, token=token, password=form.cleaned_data["password"])
        except LinkSpent as error:
            return render(request, "accounts/link_spent.html", {"error": error}, status=error.status)
        except EveError as error:
            form.add_error("password", str(error.detail))
        else:
            del request.session[_LINK_IN_SESSION]
            messages.success(request, _("Your password is set. Sign in with it."))
            return redirect("login")
    return render(request, "accounts/password_set.html", {"form": form, "account": user})


def admin_login(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """Django admin's own login page is the portal's, with the same limits."""
    target = request.GET.get("next") or reverse("admin:index")
    if isinstance(request.user, User):
        return render(request, "403.html", status=403)
    return HttpResponseRedirect(f"{reverse('login')}?{urlencode({'next': target})}")


def safe_next(request: HttpRequest) -> str:
    """Where to go after signing in: a path of this site only."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return target
    return settings.LOGIN_REDIRECT_URL


def _user_of_link(uidb64: str) -> User | None:
    try:
        user_id = uuid.UUID(urlsafe_base64_decode(uidb64).decode())
    except ValueError:
        return None
    return User.objects.filter(pk=user_id).first()
