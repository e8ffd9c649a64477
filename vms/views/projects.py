"""Staff's pages of projects. For staff limited to sites they do not exist."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import unlimited_staff_required
from accounts.callers import caller
from accounts.forms import MemberForm
from accounts.models import Membership, Project, Role
from accounts.own import invitations_table
from accounts.selectors import invitations_of, projects_visible_to, users_for
from accounts.services import invitation_withdraw, member_invite, membership_remove, project_create, project_update
from common.errors import EveError
from common.lists import list_context
from common.sentences import gettext as _
from vms.cards import cards_for
from vms.forms.people import ProjectChangeForm, ProjectNewForm, TransferForm
from vms.models import Vm
from vms.people import PROJECTS, projects_counted
from vms.quotas import shares_of
from vms.services import vms_move
from vms.services.bulk import MOST

from .bulk import outcomes_page
from .frames import manage_context

PAGE = 50


@unlimited_staff_required
@never_cache
@require_safe
def projects(request: HttpRequest) -> HttpResponse:
    """All projects."""
    context = {
        **manage_context(request, "projects"),
        **list_context(request, projects_counted(caller(request)), PROJECTS),
    }
    return render(request, "manage/projects.html", context)


@unlimited_staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def project_new(request: HttpRequest) -> HttpResponse:
    """Makes one for its first owner."""
    form = ProjectNewForm(request.POST or None, users=users_for(caller(request)))
    if request.method == "POST" and form.is_valid():
        made = project_create(by=caller(request), **form.cleaned_data)
        messages.success(request, _("%(project)s is there.") % {"project": made})
        return redirect("manage-project", project_id=made.pk)
    context = {**manage_context(request, "projects"), "form": form}
    return render(request, "manage/project_new.html", context, status=400 if form.errors else 200)


@unlimited_staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def project(request: HttpRequest, project_id: UUID) -> HttpResponse:
    """One project; POST changes name and remarks."""
    found = _project(request, project_id)
    form = ProjectChangeForm(request.POST or None, instance=_project(request, project_id))
    if request.method == "POST" and form.is_valid():
        try:
            project_update(project=found, by=caller(request), **form.changes())
        except (EveError, ValidationError) as error:
            form.add_error(None, error if isinstance(error, ValidationError) else str(error.detail))
        else:
            messages.success(request, _("Saved."))
            return redirect("manage-project", project_id=found.pk)
    return _page(request, found, form=form, status=400 if form.errors else 200)


@unlimited_staff_required
@require_POST
def project_access(request: HttpRequest, project_id: UUID) -> HttpResponse:
    """Switches it off, so that it is nobody's for the time, or on again."""
    found, is_active = _project(request, project_id), request.POST.get("active") == "yes"
    project_update(project=found, by=caller(request), is_active=is_active)
    words = _("%(project)s is on again.") if is_active else _("%(project)s is off: its members see nothing of it.")
    messages.success(request, words % {"project": found})
    return redirect("manage-project", project_id=found.pk)


@unlimited_staff_required
@require_POST
def member_set(request: HttpRequest, project_id: UUID) -> HttpResponse:
    """Takes somebody in, or gives them another role."""
    found, form = _project(request, project_id), MemberForm(request.POST)
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            made = member_invite(project=found, email=form.cleaned_data["email"], role=role, by=caller(request))
        except EveError as error:
            form.add_error(None, str(error.detail))
        else:
            is_member = isinstance(made, Membership)
            messages.success(request, _("They are in the project.") if is_member else _("An invitation is on its way."))
            return redirect("manage-project", project_id=found.pk)
    return _page(request, found, member_form=form, status=400)


@unlimited_staff_required
@require_POST
def member_end(request: HttpRequest, project_id: UUID, user_id: UUID) -> HttpResponse:
    """Takes somebody out; a second click finds it done."""
    found = _project(request, project_id)
    membership = found.memberships.select_related("user").filter(user_id=user_id).first()
    try:
        if membership is not None:
            membership_remove(project=found, user=membership.user, by=caller(request))
        messages.success(request, _("They are no longer in the project."))
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("manage-project", project_id=found.pk)


@unlimited_staff_required
@require_POST
def invitation_end(request: HttpRequest, project_id: UUID, invitation_id: UUID) -> HttpResponse:
    """Withdraws an invitation; a second click finds it done."""
    found = _project(request, project_id)
    invitation = invitations_of(found).filter(pk=invitation_id).first()
    if invitation is not None:
        invitation_withdraw(invitation=invitation, by=caller(request))
    messages.success(request, _("The invitation is withdrawn."))
    return redirect("manage-project", project_id=found.pk)


@unlimited_staff_required
@never_cache
@require_POST
def transfer(request: HttpRequest, project_id: UUID) -> HttpResponse:
    """Gives its machines to another project, as many as go at once, and tells what became of each."""
    found = _project(request, project_id)
    form = TransferForm(request.POST, projects=_others(request, found))
    ids = list(Vm.objects.filter(project=found).order_by("name", "id").values_list("pk", flat=True)[:MOST])
    if not form.is_valid():
        return _page(request, found, transfer_form=form, status=400)
    try:
        outcomes = vms_move(vm_ids=ids, project=form.cleaned_data["to"], user=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("manage-project", project_id=found.pk)
    heading = _("Machines of %(project)s go to %(other)s") % {"project": found, "other": form.cleaned_data["to"]}
    return outcomes_page(request, outcomes, heading=heading, back=reverse("manage-project", args=[found.pk]))


def _page(request: HttpRequest, found: Project, *, status: int = 200, **forms: Any) -> HttpResponse:
    by = caller(request)
    rows = Vm.objects.filter(project=found).select_related("project", "hypervisor__site").order_by("name", "id")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {
        **manage_context(request, "projects"),
        "project": found,
        "members": list(found.memberships.select_related("user").order_by("created_at", "id")),
        "invitations": invitations_table(
            invitations_of(found).order_by("email", "id"), withdraw="manage-invitation-end"
        ),
        "shares": shares_of(found),
        "page_obj": page,
        "cards": cards_for(by, page),
        "form": ProjectChangeForm(instance=found),
        "member_form": MemberForm(),
        "transfer_form": TransferForm(projects=_others(request, found)),
        **forms,
    }
    return render(request, "manage/project.html", context, status=status)


def _project(request: HttpRequest, project_id: UUID) -> Project:
    return get_object_or_404(projects_visible_to(caller(request)).select_related("personal_owner"), pk=project_id)


def _others(request: HttpRequest, found: Project) -> QuerySet[Project]:
    return projects_visible_to(caller(request)).filter(is_active=True).exclude(pk=found.pk).order_by("name", "id")
