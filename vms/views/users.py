"""Staff's pages of users. For staff limited to sites they do not exist."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import unlimited_staff_required
from accounts.callers import caller
from accounts.models import User
from accounts.selectors import (
    audit_events_for,
    login_sessions_for,
    second_factors_of,
    ssh_keys_for,
    tokens_for,
    users_for,
)
from accounts.services import password_link, second_factor_reset, user_create, user_update
from common.errors import EveError
from common.lists import list_context
from common.sentences import gettext as _
from vms.cards import cards_for
from vms.forms.people import UserForm
from vms.models import Vm
from vms.people import USERS, memberships_of, users_counted

from .frames import manage_context

VMS = 20
EVENTS = 8


@unlimited_staff_required
@never_cache
@require_safe
def users(request: HttpRequest) -> HttpResponse:
    """Everybody who signs in."""
    context = {**manage_context(request, "users"), **list_context(request, users_counted(caller(request)), USERS)}
    return render(request, "manage/users.html", context)


@unlimited_staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def user_new(request: HttpRequest) -> HttpResponse:
    """Makes one, who sets a password by a link."""
    form = UserForm(request.POST or None, by=caller(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = user_create(by=caller(request), **form.cleaned_data)
        except (EveError, ValidationError) as error:
            _add_errors(form, error)
        else:
            words = _("%(user)s has no password yet: show a link and hand it over, or let them ask for one by e-mail.")
            messages.success(request, words % {"user": made})
            return redirect("manage-user", user_id=made.pk)
    context = {**manage_context(request, "users"), "form": form}
    return render(request, "manage/user_new.html", context, status=400 if form.errors else 200)


@unlimited_staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def user(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """One user; POST changes name, address, remarks, and what superusers may."""
    found = _user(request, user_id)
    form = UserForm(request.POST or None, instance=_user(request, user_id), by=caller(request))
    if request.method == "POST" and form.is_valid():
        try:
            user_update(user=found, by=caller(request), **form.changes())
        except (EveError, ValidationError) as error:
            _add_errors(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("manage-user", user_id=found.pk)
    return _page(request, found, form, status=400 if form.errors else 200)


@unlimited_staff_required
@require_POST
def user_access(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Shuts somebody out at once, everywhere, or lets them in again."""
    found, is_active = _user(request, user_id), request.POST.get("active") == "yes"
    try:
        user_update(user=found, by=caller(request), is_active=is_active)
    except EveError as error:
        messages.error(request, str(error.detail))
    else:
        words = _("%(user)s may sign in again.") if is_active else _("%(user)s is shut out, everywhere.")
        messages.success(request, words % {"user": found})
    return redirect("manage-user", user_id=found.pk)


@unlimited_staff_required
@never_cache
@require_POST
def user_link(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Shows a link by which the user sets a password, this once."""
    found = _user(request, user_id)
    try:
        link = password_link(user=found, by=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("manage-user", user_id=found.pk)
    return _page(request, found, UserForm(instance=found, by=caller(request)), link=link)


@unlimited_staff_required
@require_POST
def user_factors(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Forgets the second factors of somebody who has lost them."""
    found = _user(request, user_id)
    try:
        second_factor_reset(user=found, by=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
    else:
        words = _("%(user)s signs in with the password alone now, and may set up new second factors.")
        messages.success(request, words % {"user": found})
    return redirect("manage-user", user_id=found.pk)


def _page(request: HttpRequest, found: User, form: UserForm, *, status: int = 200, **more: Any) -> HttpResponse:
    by = caller(request)
    memberships = list(memberships_of(found))
    vms = Vm.objects.filter(project__in=[membership.project_id for membership in memberships])
    rows = vms.select_related("project", "hypervisor__site").order_by("name", "id")[:VMS]
    context = {
        **manage_context(request, "users"),
        "person": found,
        "form": form,
        "may_touch": by.is_superuser or by == found or not (found.is_staff or found.is_superuser),
        "memberships": memberships,
        "sites": list(found.assigned_sites.order_by("name")) if by.is_superuser and found.is_site_limited else None,
        "vm_total": vms.count(),
        "cards": cards_for(by, rows),
        "factors": second_factors_of(found),
        "session_count": login_sessions_for(found).count(),
        "token_count": tokens_for(found).count(),
        "key_count": ssh_keys_for(found).count(),
        "events": list(audit_events_for(by).filter(actor=found).order_by("-at", "id")[:EVENTS]),
        **more,
    }
    return render(request, "manage/user.html", context, status=status)


def _add_errors(form: UserForm, error: EveError | ValidationError) -> None:
    if isinstance(error, ValidationError):
        form.add_error(None, error)
    else:
        form.add_error(None, str(error.detail))


def _user(request: HttpRequest, user_id: UUID) -> User:
    return get_object_or_404(users_for(caller(request)), pk=user_id)
