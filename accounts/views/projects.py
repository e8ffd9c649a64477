"""One's projects, and who is in them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.callers import caller
from accounts.errors import TooManyProjects
from accounts.forms import MemberForm, ProjectForm
from accounts.models import Invitation, Membership, Role, User
from accounts.own import invitations_table
from accounts.selectors import (
    invitations_of,
    projects_for,
    projects_owned_by,
    role_in,
)
from accounts.services import (
    invitation_withdraw,
    member_invite,
    membership_remove,
    owner_check,
    project_create,
)
from common.errors import EveError, Invalid
from common.sentences import gettext as _


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


def _project(request: HttpRequest, project_id: uuid.UUID, form: MemberForm, status: int = 200) -> HttpResponse:
    project = get_object_or_404(projects_for(caller(request)), pk=project_id)
    is_owner = role_in(caller(request), project) is Role.OWNER
    context = {
        "project": project,
        "members": project.memberships.select_related("user").order_by("created_at"),
        "form": form,
        "is_owner": is_owner,
        "roles": Role.choices,
        "invitations": invitations_table(invitations_of(project) if is_owner else []),
    }
    return render(request, "accounts/project.html", context, status=status)
