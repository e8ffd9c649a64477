"""Users."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts.audit import audit_record
from accounts.errors import StillOwns
from accounts.models import Membership, Project, Role, User
from common.errors import Conflict, NotAllowed
from common.sentences import gettext as _

from .announce import announce_revoked
from .logins import logins_end
from .privileges import PRIVILEGED_FIELDS, privileges_check
from .projects import other_owner_check

CHANGEABLE_FIELDS = frozenset({"name", "email", "remarks", "is_active", "is_staff", "is_superuser", "is_site_limited"})
_RECORDED_FIELDS = frozenset({"email", "is_staff", "is_superuser", "is_site_limited"})
"""The audit keeps what these were and became; of the others only that they changed."""


def user_create(*, email: str, name: str, by: User | None = None, **fields: Any) -> User:
    """A new user, with a personal project and without a password: they set one by a link.

    Raises:
        ValidationError: bad or taken e-mail address.
        NotAllowed: `by` is no superuser and `fields` would make the new user more than a customer.
    """
    given = {name_ for name_, value in fields.items() if value}
    privileges_check(by=by, target=None, action="user.create", fields=given)
    user = User(email=email, name=name.strip(), **fields)
    user.set_unusable_password()
    user.full_clean()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            audit_record(action="user.create", actor=by, target=user, detail=_record(user, given & _RECORDED_FIELDS))
    except IntegrityError as error:
        raise ValidationError({"email": _("A user with this e-mail address exists already.")}) from error
    return user


def personal_project_ensure(*, user: User) -> Project:
    """The user's personal project, which they own; made if it is not there."""
    project, _is_new = Project.objects.get_or_create(
        personal_owner=user, defaults={"name": user.name or user.email.partition("@")[0]}
    )
    Membership.objects.update_or_create(project=project, user=user, defaults={"role": Role.OWNER})
    return project


def user_update(*, user: User, by: User | None, **changes: Any) -> User:
    """Changes a user, who is shut out at once, everywhere, by `is_active` false. VMs and projects stay.

    Raises:
        NotAllowed: what only superusers may change, or what nobody changes of themselves.
        ValidationError: what is not valid.
    """
    unknown = set(changes) - CHANGEABLE_FIELDS
    if unknown:
        raise NotAllowed(_("These cannot be changed: %(names)s.") % {"names": ", ".join(sorted(unknown))})
    user = User.objects.get(pk=user.pk)
    if "email" in changes:
        changes["email"] = User._meta.get_field("email").to_python(changes["email"])
    changed = {name: value for name, value in changes.items() if getattr(user, name) != value}
    privileges_check(by=by, target=user, action="user.update", fields=changed)
    if user == by and {"is_active", "is_superuser", "is_staff"} & set(changed):
        raise NotAllowed(_("Nobody takes their own access away. Ask another superuser."))
    if not changed:
        return user
    for name, value in changed.items():
        setattr(user, name, value)
    user.full_clean(exclude=["password"])
    try:
        with transaction.atomic():
            _change(user, by=by, changed=changed)
    except IntegrityError as error:
        raise ValidationError({"email": _("A user with this e-mail address exists already.")}) from error
    return user


def _change(user: User, *, by: User | None, changed: dict[str, Any]) -> None:
    before = User.objects.select_for_update().get(pk=user.pk)
    user.save(update_fields=list(changed))
    if changed.pop("is_active", before.is_active) != before.is_active:
        audit_record(action="user.enable" if user.is_active else "user.disable", actor=by, target=user)
        if not user.is_active:
            logins_end(user=user, reason="user_disabled")
    if changed:
        detail = {"changed": sorted(changed), **_record(before, _RECORDED_FIELDS & set(changed), "before")}
        audit_record(
            action="user.update", actor=by, target=user, detail=detail | _record(user, _RECORDED_FIELDS & set(changed))
        )
    if not PRIVILEGED_FIELDS.isdisjoint(changed):
        announce_revoked(user_id=user.pk, reason="role_changed")


def user_disable(*, user: User, by: User | None) -> User:
    """Shuts a user out at once, everywhere. Their VMs and projects stay."""
    return user_update(user=user, by=by, is_active=False)


def user_enable(*, user: User, by: User | None) -> User:
    """Lets a disabled user in again; they sign in afresh."""
    return user_update(user=user, by=by, is_active=True)


def user_delete(*, user: User, by: User | None) -> None:
    """Deletes a user who owns nothing, with their personal project.

    Raises:
        StillOwns: their personal project has VMs.
        LastOwner: another project would be left without an owner.
    """
    privileges_check(by=by, target=user, action="user.delete")
    if user == by:
        raise Conflict(_("Nobody deletes themselves. Ask another member of staff."))
    try:
        with transaction.atomic():
            owned = Project.objects.filter(memberships__user=user, memberships__role=Role.OWNER, personal_owner=None)
            for project in owned.order_by("pk").select_for_update(of=("self",)):
                other_owner_check(project=project, user=user)
            audit_record(action="user.delete", actor=by, target=user)
            user_id = user.pk
            Project.objects.filter(personal_owner=user).delete()
            User.objects.filter(pk=user_id).delete()
            announce_revoked(user_id=user_id, reason="user_disabled")
    except ProtectedError as error:
        raise StillOwns(
            _("%(user)s owns virtual machines. Move them to another project first, or disable the user instead.")
            % {"user": user}
        ) from error


def _record(user: User, fields: Any, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}_{name}".lstrip("_"): getattr(user, name) for name in sorted(fields)}
