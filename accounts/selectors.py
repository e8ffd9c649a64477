"""What is read of users and projects, always through the eyes of a user."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, Q, QuerySet, UUIDField
from django.db.models.functions import Left
from django.utils import timezone

from common.prepared import Parameter, Prepared

from .models import (
    AuditEvent,
    FactorKind,
    Invitation,
    LoginSession,
    LoginToken,
    Membership,
    Passkey,
    Project,
    RecoveryCode,
    Role,
    SshKey,
    TotpDevice,
    User,
)
from .session_store import STORED_LENGTH

_ROLE = Prepared(
    lambda: (
        Membership.objects.filter(
            user_id=Parameter("user_id", UUIDField()), project_id=Parameter("project_id", UUIDField())
        )
        .order_by()
        .values_list("role", flat=True)
    )
)
Scope = Callable[[User], Q]

_audit_scopes: list[Scope] = []
_RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.OWNER: 2}


def role_allows(role: Role, least: Role) -> bool:
    """Whether `role` may do what `least` may."""
    return _RANK[role] >= _RANK[least]


def invitations_of(project: Project) -> QuerySet[Invitation]:
    """The project's open invitations, for its owners."""
    return Invitation.objects.filter(project=project, expires_at__gt=timezone.now())


def role_in(user: User, project: Project) -> Role | None:
    """The user's role in an active project, or None."""
    if not (user.is_active and project.is_active):
        return None
    role = _ROLE.first(user_id=user.pk, project_id=project.pk)
    return Role(role) if role else None


def projects_for(user: User) -> QuerySet[Project]:
    """The active projects that the user is a member of."""
    if not user.is_active:
        return Project.objects.none()
    return Project.objects.filter(is_active=True, memberships__user_id=user.pk)


def projects_owned_by(user: User) -> QuerySet[Project]:
    """The projects that count for :data:`settings.PROJECTS_PER_USER`: those that the user owns, but for the personal ones."""
    return Project.objects.filter(personal_owner=None, memberships__user_id=user.pk, memberships__role=Role.OWNER)


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


def login_sessions_for(user: User) -> QuerySet[LoginSession]:
    """The user's own signed-in browsers, those used last first."""
    living = Session.objects.filter(session_key=Left(OuterRef("digest"), STORED_LENGTH), expire_date__gt=timezone.now())
    return LoginSession.objects.filter(Exists(living), user=user)


def register_audit_scope(scope: Scope) -> Scope:
    """Lets an app above say which audit events staff limited to sites see besides their own: those of where they manage."""
    _audit_scopes.append(scope)
    return scope


def ssh_keys_for(user: User) -> QuerySet[SshKey]:
    """The user's own public SSH keys, by name."""
    return SshKey.objects.filter(user=user)


def passkeys_for(user: User) -> QuerySet[Passkey]:
    """The user's own passkeys, oldest first."""
    return Passkey.objects.filter(user=user)


def second_factors_of(user: User) -> list[FactorKind]:
    """The second factors that the user has; recovery codes only beside another one. Empty: the password is all."""
    row = (
        User.objects.filter(pk=user.pk)
        .values_list(
            Exists(TotpDevice.objects.filter(user=OuterRef("pk"))),
            Exists(Passkey.objects.filter(user=OuterRef("pk"))),
            Exists(RecoveryCode.objects.filter(user=OuterRef("pk"))),
        )
        .first()
    )
    kinds = (FactorKind.TOTP, FactorKind.PASSKEY, FactorKind.RECOVERY)
    found = [kind for kind, has_it in zip(kinds, row or (), strict=False) if has_it]
    return [] if found == [FactorKind.RECOVERY] else found


def second_factor_is_due(user: User) -> bool:
    """Whether the user has to have a second factor and has none."""
    return settings.STAFF_SECOND_FACTOR and user.is_staff and not second_factors_of(user)


def audit_events_for(user: User) -> QuerySet[AuditEvent]:
    """All of them for staff of every site; else the user's own, and for staff those of where they manage."""
    if is_unlimited_staff(user):
        return AuditEvent.objects.all()
    if not user.is_active:
        return AuditEvent.objects.none()
    visible = Q(actor=user)
    for scope in _audit_scopes if user.is_staff else ():
        visible |= scope(user)
    return AuditEvent.objects.filter(visible)
