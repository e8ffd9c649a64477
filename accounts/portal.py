"""One's own profile, and the members of one's projects."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import EveError, Invalid
from common.sentences import gettext as _

from .callers import caller
from .errors import PasswordTooWeak, TooManyProjects
from .forms import MemberForm, NameForm, PasswordChangeForm, ProjectForm, SshKeyForm
from .models import Invitation, Membership, Role, User
from .own import invitations_table, sessions_table, ssh_keys_table, tokens_table
from .second_step import default_backend, password_typed
from .selectors import (
    invitations_of,
    login_sessions_for,
    projects_for,
    projects_owned_by,
    role_in,
    second_factors_of,
    ssh_keys_for,
    tokens_for,
)
from .services import (
    invitation_withdraw,
    login_check,
    login_session_end,
    logout_everywhere,
    member_invite,
    membership_remove,
    owner_check,
    password_set,
    project_create,
    ssh_key_add,
    ssh_key_remove,
    user_update,
)
from .sessions import session_digest


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
            login_check(email=user.email, password=form.cleaned_data["present"])
            password_set(user=user, password=form.cleaned_data["password"], by=user)
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


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def project_new(request: HttpRequest) -> HttpResponse:
    """Makes a project, whose owner one is."""
    user = caller(request)
    form = ProjectForm(request.POST or None, owner=user)
    if request.method == "POST" and form.is_valid():
        try:
            project = project_create(name=form.cleaned_data["name"], owner=user, by=user)
        except TooManyProjects as error:
            form.add_error(None, str(error.detail))
        else:
            messages.success(request, _("%(project)s is there. Take in whoever works with you.") % {"project": project})
            return redirect("project-detail", project_id=project.pk)
    limit = 0 if user.is_staff else settings.PROJECTS_PER_USER
    context = {
        "form": form,
        "projects": projects_for(user).order_by("name", "id"),
        "owned": projects_owned_by(user).count(),
        "limit": limit,
    }
    return render(request, "accounts/project_new.html", context, status=400 if form.errors else 200)


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
        role = Role(form.cleaned_data["role"])
        try:
            made = member_invite(project=project, email=form.cleaned_data["email"], role=role, by=caller(request))
        except EveError as error:
            form.add_error("email" if isinstance(error, Invalid) else None, str(error.detail))
        else:
            messages.success(request, _taken_in(made))
            return redirect("project-detail", project_id=project_id)
    return _project(request, project_id, form, status=400)


@login_required
@require_POST
def invitation_end(request: HttpRequest, project_id: uuid.UUID, invitation_id: uuid.UUID) -> HttpResponse:
    """Withdraws an invitation; owners only. A second click finds it done."""
    project = get_object_or_404(projects_for(caller(request)), pk=project_id)
    invitation = invitations_of(project).filter(pk=invitation_id).first()
    try:
        owner_check(by=caller(request), project=project)
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("project-detail", project_id=project_id)
    if invitation is not None:
        invitation_withdraw(invitation=invitation, by=caller(request))
    messages.success(request, _("The invitation is withdrawn."))
    return redirect("project-detail", project_id=project_id)


@login_required
@require_POST
def member_remove(request: HttpRequest, project_id: uuid.UUID, user_id: uuid.UUID) -> HttpResponse:
    """Takes somebody out (owners), or leaves (oneself)."""
    project = get_object_or_404(projects_for(caller(request)), pk=project_id)
    member = User.objects.filter(memberships__project=project, pk=user_id).first()
    if member is None:
        return redirect("project-detail", project_id=project_id)
    try:
        membership_remove(project=project, user=member, by=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("project-detail", project_id=project_id)
    messages.success(request, _("%(user)s is not in %(project)s any more.") % {"user": member, "project": project})
    if member == caller(request):
        return redirect("dashboard")
    return redirect("project-detail", project_id=project_id)


def _taken_in(made: Membership | Invitation) -> str:
    if isinstance(made, Invitation):
        return _("%(email)s has no account yet: an invitation is on its way by mail.") % {"email": made.email}
    words = _("%(user)s is %(role)s of %(project)s now.")
    return words % {"user": made.user, "role": made.get_role_display(), "project": made.project}


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


def _project(request: HttpRequest, project_id: uuid.UUID, form: MemberForm, status: int = 200) -> HttpResponse:
    project = get_object_or_404(projects_for(caller(request)), pk=project_id)
    is_owner = role_in(caller(request), project) is Role.OWNER
    context = {
        "project": project,
        "members": project.memberships.select_related("user").order_by("created_at"),
        "form": form,
        "is_owner": is_owner,
        "invitations": invitations_table(invitations_of(project) if is_owner else []),
    }
    return render(request, "accounts/project.html", context, status=status)
