"""Who sees which operations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import Role, User
from accounts.selectors import is_unlimited_staff, projects_for, role_allows

from .handlers import Lane, kinds_in
from .models import ACTIVE_STATES, CLAIMED_STATES, FOR_STAFF, Operation

Scope = Callable[[User], Q]

RECENT_SECONDS = 900

_scopes: list[Scope] = []


def register_scope(scope: Scope) -> Scope:
    """Lets an app above say which operations a user sees besides those of their projects, such as those at staff's sites."""
    _scopes.append(scope)
    return scope


def operations_for(user: User) -> QuerySet[Operation]:
    """The operations of the user's projects and of what they manage; unlimited staff see all."""
    operations = Operation.objects.select_related("project", "requested_by")
    if is_unlimited_staff(user):
        return operations
    visible = Q(project__in=projects_for(user))
    for scope in _scopes:
        visible |= scope(user)
    return operations.filter(visible)


def may_cancel(user: User, operation: Operation) -> bool:
    """Whether the user, who sees it, may ask for its end: operators of its project, and who manages what it changes."""
    return operation.pk in cancellable_by(user, [operation.pk])


def cancellable_by(user: User, operation_ids: Collection[UUID]) -> set[UUID]:
    """Those of which :func:`may_cancel` is true, whatever their state; at most one query."""
    if is_unlimited_staff(user) or not operation_ids:
        return set(operation_ids)
    roles = [role for role in Role if role_allows(role, Role.OPERATOR)]
    allowed = Q(project__in=projects_for(user).filter(memberships__user_id=user.pk, memberships__role__in=roles))
    for scope in _scopes:
        allowed |= scope(user)
    return set(Operation.objects.filter(allowed, pk__in=operation_ids).values_list("pk", flat=True))


def staff_words(user: User, operation: Operation) -> str:
    """What only staff of its site are told of how it failed; empty for others. A query for staff of some sites, where there is any."""
    words = str((operation.error or {}).get(FOR_STAFF, ""))
    if not words or is_unlimited_staff(user):
        return words
    managed = Q(pk__in=())
    for scope in _scopes if user.is_staff else ():
        managed |= scope(user)
    return words if Operation.objects.filter(managed, pk=operation.pk).exists() else ""


def active_operations(*, target_type: str, target_ids: Collection[UUID]) -> dict[UUID, Operation]:
    """The active operation of each of these targets that has one. Callers have checked who asks."""
    found = Operation.objects.filter(target_type=target_type, target_id__in=target_ids, state__in=ACTIVE_STATES)
    return {operation.target_id: operation for operation in found.select_related("requested_by")}


def recent_operations(*, target_type: str, target_ids: Collection[UUID]) -> dict[UUID, Operation]:
    """The newest operation of each target, if it is active or was asked for in the last quarter of an hour.

    Callers have checked who asks.
    """
    since = timezone.now() - dt.timedelta(seconds=RECENT_SECONDS)
    found = Operation.objects.filter(
        Q(state__in=ACTIVE_STATES) | Q(created_at__gt=since), target_type=target_type, target_id__in=target_ids
    )
    return {operation.target_id: operation for operation in found.order_by("created_at")}


def projects_with_enough(lane: Lane, *, states: Collection[str] = CLAIMED_STATES) -> QuerySet[Operation, Any]:
    """The ids of projects with :data:`settings.LONG_OPERATIONS_PER_PROJECT` of that lane in these states: no more are begun."""
    counted = Operation.objects.filter(kind__in=kinds_in(lane), state__in=states, is_undoing=False)
    by_project = counted.exclude(project=None).order_by().values("project").annotate(number=Count("pk"))
    return by_project.filter(number__gte=settings.LONG_OPERATIONS_PER_PROJECT).values_list("project", flat=True)
