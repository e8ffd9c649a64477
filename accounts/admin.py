"""Users, projects, login tokens and the audit in Django admin; every change goes through the services.

Staff of every site look after users and projects; staff limited to sites read their own audit events only. Django's own
permissions and groups decide nothing in Eve, so they are not shown.
"""

from __future__ import annotations

from typing import Any

import django.contrib.auth.admin  # noqa: F401  (registers groups, before they are unregistered here)
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import NestedObjects, quote
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.models import Group
from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from common.errors import EveError
from common.fields import NamedField
from common.sentences import gettext as _
from common.sentences import gettext_lazy

from .callers import caller
from .models import AuditEvent, LoginToken, Membership, Project, Role, User
from .selectors import audit_events_for, is_unlimited_staff, projects_visible_to, second_factors_of, users_for
from .services import (
    membership_remove,
    membership_set,
    password_link,
    project_create,
    project_delete,
    project_update,
    second_factor_reset,
    user_create,
    user_delete,
    user_update,
)
from .services.privileges import PRIVILEGED_FIELDS

admin.site.unregister(Group)


class DirectoryAdmin(admin.ModelAdmin[Any]):
    """What staff of every site look after. A service that refuses is a message, and nothing was changed."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff of every site."""
        return isinstance(request.user, User) and is_unlimited_staff(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff of every site."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Staff of every site."""
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff of every site."""
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff of every site."""
        return self.has_module_permission(request)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Adding and changing."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except EveError as error:
            return self._refused(request, error)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Deleting one."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except EveError as error:
            return self._refused(request, error)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One is deleted at a time, on its own page."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def _refused(self, request: HttpRequest, error: EveError) -> HttpResponse:
        self.message_user(request, str(error.detail), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """What is read and never changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes rows."""
        return False


@admin.register(User)
class UserAdmin(DirectoryAdmin):
    """Users. A new one has no password: hand over a link."""

    list_display = ("email", "name", "is_active", "is_staff", "is_site_limited", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_site_limited", "is_superuser")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("id", "second_factors", "last_login", "created_at")
    fieldsets = (
        (None, {"fields": ("email", "name", "is_active", "remarks")}),
        (
            gettext_lazy("Staff"),
            {
                "fields": ("is_staff", "is_site_limited", "is_superuser"),
                "description": gettext_lazy("Only superusers change these. Sites are assigned on the site's page."),
            },
        ),
        (None, {"fields": ("id", "second_factors", "last_login", "created_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Whom the staff member looks after."""
        return users_for(caller(request))

    def get_urls(self) -> list[URLPattern]:
        """With the page that shows a link, and the button that resets second factors."""
        link = path(
            "<uuid:user_id>/password-link/",
            self.admin_site.admin_view(self.password_link_view),
            name="accounts_user_password_link",
        )
        reset = path(
            "<uuid:user_id>/second-factor-reset/",
            self.admin_site.admin_view(self.second_factor_reset_view),
            name="accounts_user_second_factor_reset",
        )
        return [link, reset, *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """A field that may not be changed is no part of the form, whatever is posted."""
        if caller(request).is_superuser:
            return self.readonly_fields
        return (*self.readonly_fields, *sorted(PRIVILEGED_FIELDS & {"is_staff", "is_site_limited", "is_superuser"}))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only superusers change other staff."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only superusers delete other staff."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm[User], change: bool) -> None:
        """Through the services."""
        fields = {
            name: form.cleaned_data[name] for name in form.cleaned_data if not change or name in form.changed_data
        }
        by = caller(request)
        saved = user_update(user=obj, by=by, **fields) if change else user_create(by=by, **fields)
        obj.pk = saved.pk
        obj.refresh_from_db()

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        """To the user's page, where the link is."""
        words = _("%(user)s has no password yet: show a link and hand it over, or let them ask for one by e-mail.")
        self.message_user(request, words % {"user": obj}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[quote(obj.pk)]))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The user and their personal project, and what stands in the way."""
        users = list(objs)
        projects = list(Project.objects.filter(personal_owner__in=users))
        return [*map(str, users)], {_("users"): len(users)}, set(), _protected(projects)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Through the service."""
        user_delete(user=obj, by=caller(request))

    @method_decorator([never_cache, require_POST])
    def password_link_view(self, request: HttpRequest, user_id: Any) -> HttpResponse:
        """Shows a one-use link, this once."""
        user = get_object_or_404(self.get_queryset(request), pk=user_id)
        try:
            link = password_link(user=user, by=caller(request))
        except EveError as error:
            self.message_user(request, str(error.detail), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[quote(user.pk)]))
        context = {
            **self.admin_site.each_context(request),
            "title": _("A link for %(user)s") % {"user": user},
            "opts": self.opts,
            "original": user,
            "link": link,
        }
        return TemplateResponse(request, "admin/accounts/user/password_link.html", context)

    @method_decorator([never_cache, require_POST])
    def second_factor_reset_view(self, request: HttpRequest, user_id: Any) -> HttpResponse:
        """Forgets the second factors of somebody who has lost them."""
        user = get_object_or_404(self.get_queryset(request), pk=user_id)
        try:
            second_factor_reset(user=user, by=caller(request))
        except EveError as error:
            self.message_user(request, str(error.detail), messages.ERROR)
        else:
            words = _("%(user)s signs in with the password alone now, and may set up new second factors.")
            self.message_user(request, words % {"user": user}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[quote(user.pk)]))

    @admin.display(description=gettext_lazy("second factors"))
    def second_factors(self, user: User) -> str:
        """What the user signs in with beside the password."""
        return ", ".join(str(kind.label) for kind in second_factors_of(user)) or _("none")


class MembershipForm(forms.ModelForm[Membership]):
    """One row of a project's members."""

    bound_field_class = NamedField


class MembershipInline(admin.TabularInline[Membership, Project]):
    """Who is in a project."""

    model = Membership
    form = MembershipForm
    extra = 0
    autocomplete_fields = ("user",)
    readonly_fields = ("created_at",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As the project's."""
        return isinstance(request.user, User) and is_unlimited_staff(request.user)

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission


class ProjectForm(forms.ModelForm[Project]):
    """A new project, with its first owner."""

    owner = forms.ModelChoiceField(
        label=gettext_lazy("First owner"),
        queryset=User.objects.filter(is_active=True),
        widget=AutocompleteSelect(Membership._meta.get_field("user"), admin.site),
    )

    class Meta:
        model = Project
        fields = ("name", "remarks")


@admin.register(Project)
class ProjectAdmin(DirectoryAdmin):
    """Projects and their members."""

    list_display = ("name", "is_active", "personal_owner", "created_at")
    list_filter = ("is_active", ("personal_owner", admin.EmptyFieldListFilter))
    list_select_related = ("personal_owner",)
    search_fields = ("name", "memberships__user__email")
    readonly_fields = ("id", "personal_owner", "created_at")
    fields = ("name", "is_active", "remarks", "id", "personal_owner", "created_at")
    inlines = (MembershipInline,)

    class Media:
        js = (Script("eve/select_names.js", type="module"),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        """All that the staff member sees."""
        return projects_visible_to(caller(request))

    def get_form(self, request: HttpRequest, obj: Project | None = None, change: bool = False, **kwargs: Any) -> Any:
        """A new project asks for its first owner."""
        if obj is None:
            return ProjectForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Project | None = None) -> Any:
        """As the form has them."""
        return self.fields if obj else ("name", "owner", "remarks")

    def get_inlines(self, request: HttpRequest, obj: Project | None) -> Any:
        """Members come after the first owner."""
        return self.inlines if obj else ()

    def save_model(self, request: HttpRequest, obj: Project, form: forms.ModelForm[Project], change: bool) -> None:
        """Through the services."""
        by = caller(request)
        if change:
            project_update(project=obj, by=by, **{name: form.cleaned_data[name] for name in form.changed_data})
            return
        obj.pk = project_create(by=by, **form.cleaned_data).pk
        obj.refresh_from_db()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Members, through the services: new owners first, so that an old one can be taken out in the same step."""
        formset.save(commit=False)
        by, project = caller(request), form.instance
        kept = [*formset.new_objects, *(membership for membership, _fields in formset.changed_objects)]
        for membership in sorted(kept, key=lambda membership: membership.role != Role.OWNER):
            membership_set(project=project, user=membership.user, role=Role(membership.role), by=by)
        for membership in formset.deleted_objects:
            membership_remove(project=project, user=membership.user, by=by)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The project, and what stands in the way."""
        projects = list(objs)
        return [*map(str, projects)], {_("projects"): len(projects)}, set(), _protected(projects)

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        """Through the service."""
        project_delete(project=obj, by=caller(request))


@admin.register(LoginToken)
class LoginTokenAdmin(ReadOnlyAdmin):
    """Login tokens: whose, how old, last used. Their secrets are not kept."""

    list_display = ("user", "name", "public", "created_at", "last_used_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "name", "public")
    date_hierarchy = "created_at"
    fields = list_display

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff of every site."""
        return isinstance(request.user, User) and is_unlimited_staff(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff of every site."""
        return self.has_module_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LoginToken]:
        """Those of whom the staff member looks after."""
        return LoginToken.objects.filter(user__in=users_for(caller(request)))


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Who did what, on what, from where, and how it ended."""

    list_display = ("at", "actor_label", "action", "target_type", "target_label", "address", "outcome")
    list_filter = ("outcome", "action", "at")
    search_fields = ("actor_label", "target_label", "=target_id", "=request_id", "=address")
    date_hierarchy = "at"
    show_full_result_count = False
    fields = (
        *list_display[:3],
        "outcome",
        "target_type",
        "target_id",
        "target_label",
        "project",
        "address",
        "request_id",
        "detail",
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        """All staff."""
        return isinstance(request.user, User) and request.user.is_active and request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """All staff, within what they see."""
        return self.has_module_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        """What the staff member sees."""
        return audit_events_for(caller(request))


def _may_touch(request: HttpRequest, obj: User | None) -> bool:
    by = caller(request)
    return by.is_superuser or obj is None or obj == by or not (obj.is_staff or obj.is_superuser)


def _protected(projects: list[Project]) -> list[str]:
    """What keeps these projects from being deleted."""
    collector = NestedObjects(using=DEFAULT_DB_ALIAS)
    collector.collect(projects)
    return [str(thing) for thing in collector.protected]
