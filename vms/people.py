"""Users and projects as staff of every site see them in lists: searched, narrowed, sorted, all of it in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.http import QueryDict
from django.utils.functional import Promise

from accounts.models import Membership, Project, User
from accounts.selectors import projects_visible_to, users_for
from common.sentences import gettext_lazy as _

from .models import Vm

USER_GROUPS: Final[Mapping[str, tuple[Promise, Q]]] = {
    "active": (_("Active"), Q(is_active=True)),
    "disabled": (_("Disabled"), Q(is_active=False)),
    "staff": (_("Staff"), Q(is_staff=True)),
    "never": (_("Never signed in"), Q(last_login=None)),
}
USER_SORTS: Final[Mapping[str, tuple[Promise, tuple[Combinable | str, ...]]]] = {
    "email": (_("By e-mail address"), ("email", "id")),
    "name": (_("By name"), ("name", "id")),
    "login": (_("Latest sign-in first"), (F("last_login").desc(nulls_last=True), "id")),
    "new": (_("Newest first"), ("-created_at", "id")),
}
PROJECT_GROUPS: Final[Mapping[str, tuple[Promise, Q]]] = {
    "shared": (_("Shared"), Q(personal_owner=None)),
    "personal": (_("Personal"), Q(personal_owner__isnull=False)),
    "off": (_("Switched off"), Q(is_active=False)),
}
PROJECT_SORTS: Final[Mapping[str, tuple[Promise, tuple[Combinable | str, ...]]]] = {
    "name": (_("By name"), ("name", "id")),
    "vms": (_("Most machines first"), ("-vm_count", "name", "id")),
    "new": (_("Newest first"), ("-created_at", "id")),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for; what it cannot mean is left out."""

    search: str
    group: str
    sort: str

    @classmethod
    def of(cls, query: QueryDict, groups: Mapping[str, object], sorts: Mapping[str, object]) -> Asked:
        """Of these groups and sorts, the first sort where none is named."""
        group, sort = query.get("group", ""), query.get("sort", "")
        return cls(
            search=query.get("q", "").replace("\0", "").strip()[:200],
            group=group if group in groups else "",
            sort=sort if sort in sorts else next(iter(sorts)),
        )


def users_found(user: User, asked: Asked) -> QuerySet[User]:
    """Whom the user looks after, as asked, with ``project_count``."""
    found = users_for(user).annotate(project_count=Count("memberships"))
    if asked.search:
        found = found.filter(Q(email__icontains=asked.search) | Q(name__icontains=asked.search))
    if asked.group:
        found = found.filter(USER_GROUPS[asked.group][1])
    return found.order_by(*USER_SORTS[asked.sort][1])


def projects_found(user: User, asked: Asked) -> QuerySet[Project]:
    """The projects that exist for the user, as asked, with ``vm_count`` and ``member_count``."""
    found = (
        projects_visible_to(user)
        .select_related("personal_owner")
        .annotate(
            vm_count=_counted(Vm.objects.filter(project=OuterRef("pk")), "project"),
            member_count=_counted(Membership.objects.filter(project=OuterRef("pk")), "project"),
        )
    )
    if asked.search:
        members = Membership.objects.filter(user__email__icontains=asked.search).values("project")
        found = found.filter(Q(name__icontains=asked.search) | Q(pk__in=members))
    if asked.group:
        found = found.filter(PROJECT_GROUPS[asked.group][1])
    return found.order_by(*PROJECT_SORTS[asked.sort][1])


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
