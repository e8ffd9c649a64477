"""One's own profile: name, password, sessions, SSH keys."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from accounts.callers import caller
from accounts.errors import BadLogin, PasswordTooWeak
from accounts.forms import NameForm, PasswordChangeForm, SshKeyForm
from accounts.models import User
from accounts.own import sessions_table, ssh_keys_table, tokens_table
from accounts.second_step import default_backend, password_typed
from accounts.selectors import (
    login_sessions_for,
    second_factors_of,
    ssh_keys_for,
    tokens_for,
)
from accounts.services import (
    login_session_end,
    logout_everywhere,
    password_check,
    password_set,
    ssh_key_add,
    ssh_key_remove,
    user_update,
)
from accounts.sessions import session_digest
from common.errors import EveError
from common.sentences import gettext as _


@login_required
@never_cache
@require_safe
def profile(request: HttpRequest) -> HttpResponse:
    """Name, password, tokens, and signing out everywhere."""
    return _profile(request, NameForm(instance=caller(request)), PasswordChangeForm())


@login_required
@require_POST
def name_change(request: HttpRequest) -> HttpResponse:
    """Changes one's own name."""
    user = caller(request)
    form = NameForm(request.POST, instance=User.objects.get(pk=user.pk))
    if not form.is_valid():
        return _profile(request, form, PasswordChangeForm(), status=400)
    user_update(user=user, by=user, name=form.cleaned_data["name"])
    messages.success(request, _("Your name is changed."))
    return redirect("profile")


@sensitive_post_parameters()
@login_required
@require_POST
def password_change(request: HttpRequest) -> HttpResponse:
    """Changes one's own password; every other session and token ends."""
    user = caller(request)
    form = PasswordChangeForm(request.POST)
    if form.is_valid():
        try:
            password_check(user=user, password=form.cleaned_data["present"])
            password_set(user=user, password=form.cleaned_data["password"], by=user)
        except BadLogin:
            form.add_error("present", _("That is not your present password."))
        except EveError as error:
            form.add_error("password" if isinstance(error, PasswordTooWeak) else "present", str(error.detail))
    if form.errors:
        return _profile(request, NameForm(instance=user), form, status=400)
    login(request, user, backend=default_backend())
    password_typed(request)
    messages.success(request, _("Your password is changed. You are signed out everywhere else."))
    return redirect("profile")


@login_required
@require_POST
def session_end(request: HttpRequest, login_session_id: uuid.UUID) -> HttpResponse:
    """Signs one of one's own browsers out; a second click finds it done."""
    session = login_sessions_for(caller(request)).filter(pk=login_session_id).first()
    if session is not None:
        login_session_end(session=session, by=caller(request))
    messages.success(request, _("That browser is signed out. What was opened there has ended."))
    return redirect("profile")


@login_required
@require_POST
def ssh_key_keep(request: HttpRequest) -> HttpResponse:
    """Keeps one of one's own public SSH keys."""
    user, form = caller(request), SshKeyForm(request.POST)
    if form.is_valid():
        try:
            key = ssh_key_add(user=user, **form.cleaned_data)
        except EveError as error:
            form.add_error("line", str(error.detail))
        else:
            messages.success(request, _("The key %(name)s is there.") % {"name": key})
            return redirect("profile")
    return _profile(request, NameForm(instance=user), PasswordChangeForm(), ssh_key=form, status=400)


@login_required
@require_POST
def ssh_key_forget(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    """Forgets one of one's own public SSH keys; a second click finds it done."""
    key = ssh_keys_for(caller(request)).filter(pk=key_id).first()
    if key is not None:
        ssh_key_remove(key=key, by=caller(request))
    messages.success(request, _("The key is removed. Machines that were made with it keep it."))
    return redirect("profile")


@login_required
@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """Ends all sessions and tokens, this one too."""
    logout_everywhere(user=caller(request))
    messages.success(request, _("You are signed out everywhere."))
    return redirect("login")


def _profile(
    request: HttpRequest,
    name: NameForm,
    password: PasswordChangeForm,
    *,
    ssh_key: SshKeyForm | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "name_form": name,
        "password_form": password,
        "ssh_key_form": ssh_key or SshKeyForm(),
        "sessions": sessions_table(
            login_sessions_for(caller(request)), here=session_digest(request.session.session_key)
        ),
        "ssh_keys": ssh_keys_table(ssh_keys_for(caller(request))),
        "tokens": tokens_table(tokens_for(caller(request))),
        "second_factors": second_factors_of(caller(request)),
        "memberships": caller(request).memberships.select_related("project").filter(project__is_active=True),
    }
    return render(request, "accounts/profile.html", context, status=status)
