"""One's own profile, and the members of one's projects."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from common.errors import EveError

from .callers import caller
from .forms import MemberForm, NameForm, PasswordChangeForm
from .models import LoginToken, Membership, Role, User
from .selectors import projects_for, role_in
from .services import (
    login_check,
    login_end,
    logout_everywhere,
    membership_remove,
    membership_set,
    password_set,
    token_revoke,
    user_update,
)


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
    user = User.objects.get(pk=caller(request).pk)
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
    user, old_key = caller(request), request.session.session_key
    form = PasswordChangeForm(request.POST)
    if form.is_valid():
        try:
            login_check(email=user.email, password=form.cleaned_data["present"])
            password_set(user=user, password=form.cleaned_data["password"], by=user)
        except EveError as error:
            form.add_error("password" if error.code == "password_too_weak" else "present", str(error.detail))
    if form.errors:
        return _profile(request, NameForm(instance=user), form, status=400)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    login_end(user=user, session_key=old_key)
    messages.success(request, _("Your password is changed. You are signed out everywhere else."))
    return redirect("profile")


@login_required
@require_POST
def token_end(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """Revokes one of one's own tokens; a second click finds it done."""
    token = LoginToken.objects.filter(pk=token_id, user=caller(request)).first()
    if token is not None:
        token_revoke(token=token, by=caller(request))
    messages.success(request, _("The token is revoked. What was opened with it has ended."))
    return redirect("profile")


@login_required
@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """Ends all sessions and tokens, this one too."""
    logout_everywhere(user=caller(request))
    messages.success(request, _("You are signed out everywhere."))
    return redirect("login")


@login_required
@never_cache
@require_safe
def project_detail(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Who is in a project."""
    return _project(request, project_id, MemberForm())


@login_required
@require_POST
def member_add(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Takes somebody in, or changes their role; owners only."""
    project = get_object_or_404(projects_for(caller(request)), pk=project_id)
    form = MemberForm(request.POST)
    if form.is_valid():
        user = User.objects.filter(email__iexact=form.cleaned_data["email"], is_active=True).first()
        if role_in(caller(request), project) is not Role.OWNER:
            form.add_error(None, _("Only owners of this project may change its members. Ask one of them."))
        elif user is None:
            form.add_error("email", _("Nobody with this address has an account here. Ask staff to make one first."))
        else:
            try:
                role = Role(form.cleaned_data["role"])
                membership_set(project=project, user=user, role=role, by=caller(request))
                messages.success(
                    request, _("%(user)s is %(role)s of the project now.") % {"user": user, "role": role.label}
                )
            except EveError as error:
                form.add_error(None, str(error.detail))
    if form.errors:
        return _project(request, project_id, form, status=400)
    return redirect("project-detail", project_id=project_id)


@login_required
@require_POST
def member_remove(request: HttpRequest, project_id: uuid.UUID, user_id: uuid.UUID) -> HttpResponse:
    """Takes somebody out (owners), or leaves (oneself)."""
    project = get_object_or_404(projects_for(caller(request)), pk=project_id)
    membership = Membership.objects.filter(project=project, user_id=user_id).select_related("user", "project").first()
    if membership is None:
        return redirect("project-detail", project_id=project_id)
    if membership.user != caller(request) and role_in(caller(request), project) is not Role.OWNER:
        messages.error(request, _("Only owners of this project may change its members. Ask one of them."))
        return redirect("project-detail", project_id=project_id)
    try:
        membership_remove(membership=membership, by=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("project-detail", project_id=project_id)
    messages.success(request, _("%(user)s is not in the project any more.") % {"user": membership.user})
    if membership.user == caller(request):
        return redirect("dashboard")
    return redirect("project-detail", project_id=project_id)


def _profile(request: HttpRequest, name: NameForm, password: PasswordChangeForm, status: int = 200) -> HttpResponse:
    context = {
        "name_form": name,
        "password_form": password,
        "tokens": LoginToken.objects.filter(user=caller(request)),
        "memberships": caller(request).memberships.select_related("project").filter(project__is_active=True),
    }
    return render(request, "accounts/profile.html", context, status=status)


def _project(request: HttpRequest, project_id: uuid.UUID, form: MemberForm, status: int = 200) -> HttpResponse:
    project = get_object_or_404(projects_for(caller(request)), pk=project_id)
    context = {
        "project": project,
        "members": project.memberships.select_related("user").order_by("created_at"),
        "form": form,
        "is_owner": role_in(caller(request), project) is Role.OWNER,
    }
    return render(request, "accounts/project.html", context, status=status)
