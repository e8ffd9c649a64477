"""Who is told what, and what of it they see: what somebody may not know any more is not there, for lists as for what waits to be sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import Membership, Project, Role, User
from accounts.selectors import is_unlimited_staff, projects_for, projects_visible_to, role_in
from common.lists import Choices
from common.sentences import gettext_lazy as _
from hypervisors.models import Site
from hypervisors.selectors import sites_for

from .models import HOST_KINDS, PROJECT_KINDS, Choice, Delivery, Event, Kind, Notice, Way, Webhook

MOST_COUNTED: Final = 99
"""Beyond that the bell only says that there are more."""
BEGINS_ON: Final[Mapping[Kind, frozenset[Way]]] = {
    Kind.OPERATION_FAILED: frozenset({Way.PAGE}),
    Kind.VM_CRASHED: frozenset({Way.PAGE, Way.MAIL}),
    Kind.QUOTA_NEAR: frozenset({Way.PAGE}),
    Kind.HOST_AWAY: frozenset({Way.PAGE, Way.MAIL}),
    Kind.CERTIFICATE_ENDS: frozenset({Way.PAGE, Way.MAIL}),
}
"""The ways by which each kind is told to who has chosen nothing."""

NOTICES: Final = Choices(
    placeholder=_("What it is about, or project"),
    find=lambda text: Q(event__target_label__icontains=text) | Q(event__project__name__icontains=text),
    group_name="show",
    groups={
        "unread": (_("Unread"), Q(read_at=None)),
        **{value: (label, Q(event__kind=value)) for value, label in Kind.choices},
    },
    sorts={"new": (_("Newest first"), ("-at", "id")), "old": (_("Oldest first"), ("at", "id"))},
)
"""How one's list can be searched, narrowed and sorted."""
WEBHOOKS: Final = Choices(
    placeholder=_("Name, address or who made it"),
    find=lambda text: Q(name__icontains=text) | Q(url__icontains=text) | Q(made_by__name__icontains=text),
    groups={"on": (_("On"), Q(is_on=True)), "off": (_("Off"), Q(is_on=False))},
    sorts={
        "name": (_("By name"), ("name", "id")),
        "new": (_("Newest first"), ("-created_at", "id")),
        "who": (_("By who made it"), ("made_by__name", "name", "id")),
    },
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One field of somebody's matrix."""

    kind: Kind
    way: Way
    is_on: bool
    own: bool | None
    """What was chosen here; None: nothing, it is as for all projects, or as Eve begins."""

    @property
    def field(self) -> str:
        """Its name in forms."""
        return f"{self.kind.value}-{self.way.value}"


# ------------------------------------------------------------------------------------------------ Lists


def notices_for(user: User) -> QuerySet[Notice]:
    """What the user was told, the newest first."""
    known = Q(event__project__in=projects_for(user)) | Q(event__project=None, event__site=None)
    if user.is_staff or user.is_superuser:
        known |= Q(event__site__in=sites_for(user))
    return Notice.objects.filter(known, user=user)


def unread_count(user: User) -> int:
    """How much of it is unread; :data:`MOST_COUNTED` and one at most."""
    return notices_for(user).filter(read_at=None).order_by()[: MOST_COUNTED + 1].count()


def kinds_for(user: User) -> tuple[Kind, ...]:
    """The kinds that the user may be told of."""
    return (*PROJECT_KINDS, *HOST_KINDS) if user.is_staff else PROJECT_KINDS


def choices_of(user: User, project: Project | None = None) -> list[Chosen]:
    """The user's matrix, for all projects or for one of theirs."""
    rows = Choice.objects.filter(Q(project=None) | Q(project=project), user=user)
    chosen = {(row.project_id, row.kind, row.way): row.is_on for row in rows}
    scope = project.pk if project else None
    return [
        Chosen(kind, way, _is_on(chosen, scope, kind, way), chosen.get((scope, kind.value, way.value)))
        for kind in (PROJECT_KINDS if project else kinds_for(user))
        for way in Way
    ]


# ------------------------------------------------------------------------------------------------ Receivers


def people_of(event: Event) -> list[User]:
    """Whom an event concerns now: active members of its active project, staff of its site, or its one person."""
    people = User.objects.filter(is_active=True).order_by("pk")
    if event.project_id is not None:
        members = Membership.objects.filter(project=event.project_id, project__is_active=True)
        return list(people.filter(pk__in=members.values("user")))
    if event.site_id is not None:
        everywhere = Q(is_superuser=True) | Q(is_staff=True, is_site_limited=False)
        limited = Q(is_staff=True, pk__in=Site.staff.through.objects.filter(site=event.site_id).values("user"))
        return list(people.filter(everywhere | limited))
    return list(people.filter(pk=event.user_id)) if event.user_id else []


def ways_for(people: Collection[User], event: Event) -> dict[UUID, set[Way]]:
    """By which ways each of these people wants to be told of the event; two sets of choices, one query."""
    scopes = Q(project=None) | Q(project=event.project_id) if event.project_id else Q(project=None)
    rows = Choice.objects.filter(scopes, user__in=people, kind=event.kind)
    chosen: dict[UUID, dict[tuple[UUID | None, str, str], bool]] = {user.pk: {} for user in people}
    for row in rows:
        chosen[row.user_id][row.project_id, row.kind, row.way] = row.is_on
    kind = Kind(event.kind)
    return {key: {way for way in Way if _is_on(theirs, event.project_id, kind, way)} for key, theirs in chosen.items()}


def may_know(user: User, event: Event) -> bool:
    """Whether the user may be told of the event now."""
    if not user.is_active:
        return False
    if event.project is not None:
        return role_in(user, event.project) is not None
    if event.site_id is not None:
        return sites_for(user).filter(pk=event.site_id).exists()
    return event.user_id == user.pk


def webhooks_of(event: Event) -> list[Webhook]:
    """The webhooks that an event is sent to."""
    found: QuerySet[Webhook] = Webhook.objects.filter(is_on=True).select_related("made_by", "project")
    if event.project_id is not None:
        found = found.filter(project=event.project_id)
    elif event.site_id is not None:
        found = found.filter(project=None)
    else:
        return []
    return [webhook for webhook in found if event.kind in webhook.kinds and webhook_may_know(webhook, event)]


def webhook_may_know(webhook: Webhook, event: Event) -> bool:
    """Whether it may be sent the event now: its maker answers for it still, and it is of this project, or this site."""
    if not webhook.is_on or not webhook_is_answered_for(webhook):
        return False
    if webhook.project_id is not None:
        return event.project_id == webhook.project_id
    if event.site_id is not None:
        return sites_for(webhook.made_by).filter(pk=event.site_id).exists()
    return event.project_id is None and event.user_id == webhook.made_by_id


def webhook_is_answered_for(webhook: Webhook) -> bool:
    """Whether who made it may still do so: owns the project, or is staff."""
    return bool(webhooks_answered_for([webhook]))


def webhooks_answered_for(webhooks: Collection[Webhook]) -> list[Webhook]:
    """Those of them whose makers may still answer for them; one query."""
    of_projects = [webhook for webhook in webhooks if webhook.project_id is not None]
    memberships = Membership.objects.filter(
        project__in={webhook.project_id for webhook in of_projects},
        user__in={webhook.made_by_id for webhook in of_projects},
        role=Role.OWNER,
    )
    owners = set(memberships.values_list("project_id", "user_id"))

    def may_answer(webhook: Webhook) -> bool:
        maker, project = webhook.made_by, webhook.project
        if project is None:
            return maker.is_active and maker.is_staff
        owns = maker.is_active and (project.pk, maker.pk) in owners
        return project.is_active and (owns or is_unlimited_staff(maker))

    return [webhook for webhook in webhooks if may_answer(webhook)]


# ------------------------------------------------------------------------------------------------ Webhooks


def webhooks_owned_by(user: User) -> QuerySet[Webhook]:
    """The webhooks that the user may see and change: of projects that they own (staff of every site: of all), and their own."""
    own = Q(project=None, made_by=user) if user.is_active and user.is_staff else Q(pk__in=())
    if is_unlimited_staff(user):
        own |= Q(project__in=projects_visible_to(user))
    else:
        owned = Membership.objects.filter(user=user, role=Role.OWNER).values("project")
        own |= Q(project__in=projects_for(user).filter(pk__in=owned))
    return Webhook.objects.filter(own).select_related("made_by", "project")


def deliveries_of(webhook: Webhook) -> QuerySet[Delivery]:
    """What a webhook was sent, the newest first."""
    return Delivery.objects.filter(webhook=webhook).select_related("event")


def kinds_of(webhook: Webhook) -> Iterable[Kind]:
    """The kinds that it may be sent."""
    return HOST_KINDS if webhook.project_id is None else PROJECT_KINDS


def _is_on(chosen: Mapping[tuple[UUID | None, str, str], bool], scope: UUID | None, kind: Kind, way: Way) -> bool:
    for place in (scope, None):
        if (own := chosen.get((place, kind.value, way.value))) is not None:
            return own
    return way in BEGINS_ON[kind]
