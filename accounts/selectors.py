"""What is read of users and projects, always through the eyes of a user."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from .models import AuditEvent, LoginToken, Membership, Project, Role, SshKey, User

_RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.OWNER: 2}


def role_allows(role: Role, least: Role) -> bool:
    """Whether `role` may do what `least` may."""
    return _RANK[role] >= _RANK[least]


def role_in(user: User, project: Project) -> Role | None:
    """The user's role in an active project, or None."""
    if not (user.is_active and project.is_active):
        return None
    role = Membership.objects.filter(user=user, project=project).values_list("role", flat=True).first()
    return Role(role) if role else None


def projects_for(user: User) -> QuerySet[Project]:
    """The active projects that the user is a member of."""
    if not user.is_active:
        return Project.objects.none()
    return Project.objects.filter(is_active=True, memberships__user=user)


def is_unlimited_staff(user: User) -> bool:
    """Whether the user is staff of every site."""
    return user.is_active and (user.is_superuser or (user.is_staff and not user.is_site_limited))


def users_for(user: User) -> QuerySet[User]:
    """Whom the user looks after: everybody for staff of every site, else nobody."""
    return User.objects.all() if is_unlimited_staff(user) else User.objects.none()


def projects_visible_to(user: User) -> QuerySet[Project]:
    """The projects that exist for the user: all, with those that are switched off, for staff of every site; else their own."""
    return Project.objects.all() if is_unlimited_staff(user) else projects_for(user)


def tokens_for(user: User) -> QuerySet[LoginToken]:
    """The user's own living login tokens."""
    return LoginToken.objects.filter(user=user, expires_at__gt=timezone.now())


def ssh_keys_for(user: User) -> QuerySet[SshKey]:
    """The user's own public SSH keys, by name."""
    return SshKey.objects.filter(user=user)


def audit_events_for(user: User) -> QuerySet[AuditEvent]:
    """All of them for staff of every site, else the user's own."""
    if is_unlimited_staff(user):
        return AuditEvent.objects.all()
    return AuditEvent.objects.filter(actor=user) if user.is_active else AuditEvent.objects.none()
