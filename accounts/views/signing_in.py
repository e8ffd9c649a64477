"""Signing in and out, passwords."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import LinkSpent, PasswordTooWeak, TooManyAttempts
from accounts.forms import InvitedForm, LoginForm, NewPasswordForm, PasswordForgottenForm
from accounts.models import FactorKind, User
from accounts.second_step import default_backend, password_typed, pending_begin
from accounts.selectors import second_factors_of
from accounts.services import (
    invitation_accept,
    invitation_of,
    link_user,
    login_check,
    login_end,
    login_remember,
    password_forgotten,
    password_set_by_link,
)
from common.errors import EveError
from common.sentences import gettext as _

_LINK_IN_SESSION = "password-link"
_INVITATION_IN_SESSION = "invitation-link"


@login_not_required
@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login_view(request: HttpRequest) -> HttpResponse:
    """The way in, for the portal and for /admin."""
    target = safe_next(request)
    if request.method != "POST" and isinstance(request.user, User):
        return HttpResponseRedirect(target)
    form = LoginForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = login_check(**form.cleaned_data)
        except EveError as error:
            form.add_error(None, str(error.detail))
            return with_retry(_login_page(request, form, target, status=error.status), error)
        if second_factors_of(user):
            if isinstance(request.user, User):
                _sign_out(request)
            pending_begin(request, user, target=target)
            return redirect("login-second")
        sign_in(request, user)
        return HttpResponseRedirect(target)
    return _login_page(request, form, target, status=400 if form.errors else 200)


@login_not_required
@require_POST
def logout_view(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """The way out, of the portal and of /admin; a second click finds it done."""
    _sign_out(request)
    messages.success(request, _("You are signed out."))
    return redirect(settings.LOGOUT_REDIRECT_URL)


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def password_forgotten_view(request: HttpRequest) -> HttpResponse:
    """Asks for a link by mail; the answer is the same whether there is such an account or not."""
    form = PasswordForgottenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"]
        try:
            password_forgotten(email=email)
        except TooManyAttempts as error:
            form.add_error(None, str(error.detail))
            page = render(request, "accounts/password_forgotten.html", {"form": form}, status=error.status)
            return with_retry(page, error)
        return render(
            request, "accounts/password_forgotten_done.html", {"email": email, "sends_mail": settings.SENDS_MAIL}
        )
    return render(request, "accounts/password_forgotten.html", {"form": form}, status=400 if form.errors else 200)


@login_not_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def password_set_view(request: HttpRequest) -> HttpResponse:
    """Sets a password by a one-use link.

    The link's secret moves into the session at once, so that neither the address bar nor a Referer keeps it.
    """
    if link := request.GET.get("link"):
        request.session[_LINK_IN_SESSION] = link[:200]
        return redirect("password-set")
    link = request.session.get(_LINK_IN_SESSION, "")
    form = NewPasswordForm(request.POST or None)
    try:
        user = link_user(link)
        if request.method == "POST" and form.is_valid():
            password_set_by_link(link=link, password=form.cleaned_data["password"])
            return _password_is_set(request)
    except LinkSpent as error:
        request.session.pop(_LINK_IN_SESSION, None)
        return render(request, "accounts/link_spent.html", {"error": error}, status=error.status)
    except EveError as error:
        form.add_error("password", str(error.detail))
    context = {"form": form, "account": user}
    return render(request, "accounts/password_set.html", context, status=400 if form.errors else 200)


@login_not_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_view(request: HttpRequest) -> HttpResponse:
    """Makes an account by the link of an invitation, which moves into the session as a password's does."""
    if link := request.GET.get("link"):
        request.session[_INVITATION_IN_SESSION] = link[:200]
        return redirect("invitation")
    link = request.session.get(_INVITATION_IN_SESSION, "")
    form = InvitedForm(request.POST or None)
    try:
        invitation = invitation_of(link)
        if request.method == "POST" and form.is_valid():
            name, password = form.cleaned_data["name"], form.cleaned_data["password"]
            user, project = invitation_accept(link=link, name=name, password=password)
            sign_in(request, user)
            messages.success(request, _("Your account is made, and you are in %(project)s.") % {"project": project})
            return redirect("project-detail", project_id=project.pk)
    except LinkSpent as error:
        request.session.pop(_INVITATION_IN_SESSION, None)
        return render(request, "accounts/invitation_spent.html", {"error": error}, status=error.status)
    except EveError as error:
        form.add_error("password" if isinstance(error, PasswordTooWeak) else None, str(error.detail))
    context = {"form": form, "invitation": invitation}
    return render(request, "accounts/invitation.html", context, status=400 if form.errors else 200)


@login_not_required
@never_cache
@require_safe
def admin_login(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """Django admin's own login page is the portal's, with the same limits."""
    if isinstance(request.user, User):
        if request.user.is_staff:
            return redirect("admin:index")
        return render(request, "404.html", status=404)
    target = request.GET.get("next") or reverse("admin:index")
    return HttpResponseRedirect(f"{reverse('login')}?{urlencode({'next': target})}")


def safe_next(request: HttpRequest) -> str:
    """Where to go after signing in: a path of this site only."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return target
    return settings.LOGIN_REDIRECT_URL


def sign_in(request: HttpRequest, user: User, *, second: FactorKind | None = None) -> None:
    """Starts a login session under a new key; one that this browser had before ends."""
    before = request.user if isinstance(request.user, User) else None
    session_key = request.session.session_key
    request.session.flush()
    login(request, user, backend=default_backend())
    password_typed(request)
    if before is not None:
        login_end(user=before, session_key=session_key)
    login_remember(user=user, how="page", second=second)


def with_retry(response: HttpResponse, error: EveError) -> HttpResponse:
    """The answer, with how long to wait where an error says so."""
    if isinstance(error, TooManyAttempts):
        response["Retry-After"] = str(error.members["retry_after"])
    return response


def _sign_out(request: HttpRequest) -> None:
    user, session_key = request.user, request.session.session_key
    logout(request)
    if isinstance(user, User):
        login_end(user=user, session_key=session_key)


def _login_page(request: HttpRequest, form: LoginForm, target: str, *, status: int) -> HttpResponse:
    return render(request, "accounts/login.html", {"form": form, "next": target}, status=status)


def _password_is_set(request: HttpRequest) -> HttpResponse:
    request.session.pop(_LINK_IN_SESSION, None)
    messages.success(request, _("Your password is set. Sign in with it."))
    return redirect("login")
