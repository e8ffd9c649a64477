"""Projects and who is in them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.errors import LastOwner, StillOwns
from accounts.models import Membership, Project, Role, User
from common.errors import Conflict

from .announce import announce_revoked


@transaction.atomic
def project_create(*, name: str, owner: User, by: User, remarks: str = "") -> Project:
    """A new project that `owner` owns."""
    project = Project(name=name.strip(), remarks=remarks)
    project.full_clean()
    project.save()
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    audit_record(action="project.create", actor=by, target=project, project=project)
    return project


@transaction.atomic
def project_update(*, project: Project, by: User, **changes: Any) -> Project:
    """Changes `name`, `remarks` or `is_active`; a project that is switched off is nobody's for the time."""
    changed = {name: value for name, value in changes.items() if getattr(project, name) != value}
    for name, value in changed.items():
        setattr(project, name, value)
    if changed:
        project.full_clean()
        project.save(update_fields=list(changed))
        audit_record(
            action="project.update", actor=by, target=project, project=project, detail={"changed": sorted(changed)}
        )
    if changed.get("is_active") is False:
        for user_id in project.memberships.values_list("user_id", flat=True):
            announce_revoked(user_id=user_id, project_id=project.pk, reason="membership_lost")
    return project


@transaction.atomic
def project_delete(*, project: Project, by: User) -> None:
    """Deletes a project without VMs. Raises StillOwns, and Conflict for a personal one."""
    if project.personal_owner_id is not None:
        raise Conflict(_("A personal project goes with its user. Disable or delete the user instead."))
    audit_record(action="project.delete", actor=by, target=project)
    try:
        project.delete()
    except ProtectedError as error:
        raise StillOwns(
            _("%(project)s owns virtual machines. Move them to another project first, or disable the project instead.")
            % {"project": project}
        ) from error


@transaction.atomic
def membership_set(*, project: Project, user: User, role: Role, by: User) -> Membership:
    """Makes `user` a member with `role`, or changes the role. Raises LastOwner."""
    Project.objects.select_for_update().get(pk=project.pk)
    membership = Membership.objects.filter(project=project, user=user).first()
    if membership is None:
        membership = Membership.objects.create(project=project, user=user, role=role)
        audit_record(action="member.add", actor=by, target=user, project=project, detail={"role": role})
        return membership
    before = membership.role
    if before == role:
        return membership
    if before == Role.OWNER:
        other_owner_check(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    audit_record(action="member.role", actor=by, target=user, project=project, detail={"role": role, "before": before})
    announce_revoked(user_id=user.pk, project_id=project.pk, reason="role_changed")
    return membership


@transaction.atomic
def membership_remove(*, membership: Membership, by: User) -> None:
    """Takes a user out of a project, or lets them leave. Raises LastOwner."""
    project, user = membership.project, membership.user
    Project.objects.select_for_update().get(pk=project.pk)
    if membership.role == Role.OWNER:
        other_owner_check(membership)
    Membership.objects.filter(pk=membership.pk).delete()
    audit_record(action="member.remove", actor=by, target=user, project=project)
    announce_revoked(user_id=user.pk, project_id=project.pk, reason="membership_lost")


def other_owner_check(membership: Membership) -> None:
    """That the project has another active owner. Raises LastOwner; the caller holds the project's row."""
    project = membership.project
    if project.personal_owner_id == membership.user_id:
        raise LastOwner(_("A personal project stays with its user."))
    others = Membership.objects.filter(project=project, role=Role.OWNER, user__is_active=True).exclude(pk=membership.pk)
    if not others.exists():
        raise LastOwner(
            _("%(user)s is the last owner of %(project)s. Make somebody else an owner first.")
            % {"user": membership.user, "project": project}
        )
