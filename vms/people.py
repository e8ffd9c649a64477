"""Users and projects as staff of every site see them in lists."""

from __future__ import annotations

from typing import Final

from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import Membership, Project, User
from accounts.selectors import projects_visible_to, users_for
from common.lists import Choices
from common.sentences import gettext_lazy as _

from .models import Vm

USERS: Final = Choices(
    placeholder=_("Name or e-mail address"),
    find=lambda text: Q(email__icontains=text) | Q(name__icontains=text),
    groups={
        "active": (_("Active"), Q(is_active=True)),
        "disabled": (_("Disabled"), Q(is_active=False)),
        "staff": (_("Staff"), Q(is_staff=True)),
        "never": (_("Never signed in"), Q(last_login=None)),
    },
    sorts={
        "email": (_("By e-mail address"), ("email", "id")),
        "name": (_("By name"), ("name", "id")),
        "login": (_("Latest sign-in first"), (F("last_login").desc(nulls_last=True), "id")),
        "new": (_("Newest first"), ("-created_at", "id")),
    },
)
PROJECTS: Final = Choices(
    placeholder=_("Name, or a member's e-mail address"),
    find=lambda text: (
        Q(name__icontains=text) | Q(pk__in=Membership.objects.filter(user__email__icontains=text).values("project"))
    ),
    groups={
        "shared": (_("Shared"), Q(personal_owner=None)),
        "personal": (_("Personal"), Q(personal_owner__isnull=False)),
        "off": (_("Switched off"), Q(is_active=False)),
    },
    sorts={
        "name": (_("By name"), ("name", "id")),
        "vms": (_("Most machines first"), ("-vm_count", "name", "id")),
        "new": (_("Newest first"), ("-created_at", "id")),
    },
)


def users_counted(user: User) -> QuerySet[User]:
    """Whom the user looks after, with ``project_count``."""
    return users_for(user).annotate(project_count=Count("memberships"))


def projects_counted(user: User) -> QuerySet[Project]:
    """The projects that exist for the user, with ``vm_count`` and ``member_count``."""
    return (
        projects_visible_to(user)
        .select_related("personal_owner")
        .annotate(
            vm_count=_counted(Vm.objects.filter(project=OuterRef("pk")), "project"),
            member_count=_counted(Membership.objects.filter(project=OuterRef("pk")), "project"),
        )
    )


def memberships_of(user: User) -> QuerySet[Membership]:
    """The projects that somebody is in, off ones too, each with ``vm_count``."""
    return (
        Membership.objects.filter(user=user)
        .select_related("project")
        .annotate(vm_count=_counted(Vm.objects.filter(project=OuterRef("project")), "project"))
        .order_by("project__name", "project_id")
    )


def _counted(rows: QuerySet[Vm] | QuerySet[Membership], by: str) -> Coalesce:
    """How many, as a query within another: two joins would multiply each other."""
    counts = rows.order_by().values(by).annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counts, output_field=IntegerField()), 0)
