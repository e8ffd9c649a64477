"""Users."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.errors import StillOwns
from accounts.models import AuditOutcome, Membership, Project, Role, User
from common.errors import NotAllowed

from .announce import announce_revoked
from .logins import logout_everywhere
from .projects import other_owner_check

PRIVILEGED_FIELDS = frozenset({"is_staff", "is_superuser", "is_site_limited"})
"""Only a superuser gives or takes these."""
CHANGEABLE_FIELDS = frozenset({"name", "email", "remarks"}) | PRIVILEGED_FIELDS


@transaction.atomic
def user_create(*, email: str, name: str, by: User | None = None, password: str | None = None, **fields: Any) -> User:
    """A new user with a personal project. Without `password` they set one by a link.

    Raises:
        ValidationError: bad or taken e-mail address.
        NotAllowed: `by` is no superuser and `fields` would make the new user more than a customer.
    """
    privileges_check(by=by, target=None, changes={name_: value for name_, value in fields.items() if value})
    user = User(email=User.objects.normalize_email(email.strip()), name=name.strip(), **fields)
    user.set_password(password)
    user.full_clean(exclude=["password"])
    user.save()
    personal_project_ensure(user=user)
    audit_record(action="user.create", actor=by, target=user)
    return user


def personal_project_ensure(*, user: User) -> Project:
    """The user's personal project, which they own; made if it is not there."""
    project, _is_new = Project.objects.get_or_create(personal_owner=user, defaults={"name": user.name or user.email})
    Membership.objects.update_or_create(project=project, user=user, defaults={"role": Role.OWNER})
    return project


@transaction.atomic
def user_update(*, user: User, by: User, **changes: Any) -> User:
    """Changes a user. Raises NotAllowed for what only superusers may change, ValidationError for what is not valid."""
    unknown = set(changes) - CHANGEABLE_FIELDS
    if unknown:
        raise NotAllowed(_("These cannot be changed: %(names)s.") % {"names": ", ".join(sorted(unknown))})
    changed = {name: value for name, value in changes.items() if getattr(user, name) != value}
    privileges_check(by=by, target=user, changes=changed)
    for name, value in changed.items():
        setattr(user, name, value)
    if changed:
        user.full_clean(exclude=["password"])
        user.save(update_fields=list(changed))
        audit_record(action="user.update", actor=by, target=user, detail={"changed": sorted(changed)})
        if PRIVILEGED_FIELDS & set(changed):
            announce_revoked(user_id=user.pk, reason="role_changed")
    return user


@transaction.atomic
def user_disable(*, user: User, by: User | None) -> None:
    """Shuts a user out at once, everywhere. Their VMs and projects stay."""
    privileges_check(by=by, target=user, changes={})
    if by == user:
        raise NotAllowed(_("You cannot disable yourself."))
    User.objects.filter(pk=user.pk).update(is_active=False)
    user.is_active = False
    audit_record(action="user.disable", actor=by, target=user)
    logout_everywhere(user=user, reason="user_disabled")


def user_enable(*, user: User, by: User | None) -> None:
    """Lets a disabled user in again."""
    privileges_check(by=by, target=user, changes={})
    User.objects.filter(pk=user.pk).update(is_active=True)
    user.is_active = True
    audit_record(action="user.enable", actor=by, target=user)


@transaction.atomic
def user_delete(*, user: User, by: User | None) -> None:
    """Deletes a user who owns nothing, with their personal project.

    Raises:
        StillOwns: their personal project has VMs.
        LastOwner: another project would be left without an owner.
    """
    privileges_check(by=by, target=user, changes={})
    for membership in Membership.objects.filter(user=user, role=Role.OWNER, project__personal_owner=None):
        other_owner_check(membership)
    audit_record(action="user.delete", actor=by, target=user)
    try:
        Project.objects.filter(personal_owner=user).delete()
        user_id = user.pk
        user.delete()
    except ProtectedError as error:
        raise StillOwns(
            _("%(user)s owns virtual machines. Move them to another project first, or disable the user instead.")
            % {"user": user}
        ) from error
    announce_revoked(user_id=user_id, reason="user_disabled")


def privileges_check(*, by: User | None, target: User | None, changes: dict[str, Any]) -> None:
    """That `by` (None: Eve's own commands) may make these changes: only superusers touch superusers, staff and privileges."""
    if by is None or by.is_superuser:
        return
    touches_power = target is not None and target != by and (target.is_staff or target.is_superuser)
    if touches_power or PRIVILEGED_FIELDS & set(changes):
        audit_record(action="user.update", actor=by, target=target, outcome=AuditOutcome.DENIED)
        raise NotAllowed(_("Only superusers may do that."))
