"""Projects and who is in them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError

from accounts.audit import audit_record
from accounts.errors import LastOwner, StillOwns, TooManyProjects
from accounts.models import Invitation, Membership, Project, Role, User
from accounts.selectors import is_unlimited_staff, projects_owned_by, role_allows, role_in
from accounts.throttle import attempt_reserve, attempt_return, limit_of
from common.errors import Conflict, NotAllowed
from common.sentences import gettext as _

from .announce import announce_revoked
from .invitations import invitation_make

CHANGEABLE_FIELDS = frozenset({"name", "remarks", "is_active"})
STRANGERS_PER_USER = 20
"""How many addresses without an account somebody may try to invite in one window."""


def owner_check(*, by: User | None, project: Project) -> None:
    """That `by` (None: Eve's own commands) owns the project or is staff of every site. Raises NotAllowed."""
    if by is None or is_unlimited_staff(by) or role_in(by, project) is Role.OWNER:
        return
    raise NotAllowed(_("Only owners of %(project)s may do that. Ask one of them.") % {"project": project})


def ownership_check(*, user: User, by: User | None) -> None:
    """That `user` may own one more project: each has a quota of its own. Staff, and Eve's own commands (None), give any number.

    Holds the user's row for the rest of the transaction. Raises TooManyProjects.
    """
    limit = settings.PROJECTS_PER_USER
    if not limit or by is None or by.is_staff or by.is_superuser:
        return
    User.objects.select_for_update().get(pk=user.pk)
    used = projects_owned_by(user).count()
    if used < limit:
        return
    raise TooManyProjects(
        _(
            "You own %(used)d projects, and one may own %(limit)d. Delete one that you do not need, or ask the staff for more."
        )
        % {"used": used, "limit": limit}
        if user == by
        else _("%(user)s owns as many projects as one may, which are %(limit)d. Choose another role, or ask the staff.")
        % {"user": user, "limit": limit},
        limit=limit,
    )


@transaction.atomic
def project_create(*, name: str, owner: User, by: User | None, remarks: str = "") -> Project:
    """A new project that `owner` owns. Raises TooManyProjects, ValidationError."""
    ownership_check(user=owner, by=by)
    project = Project(name=name.strip(), remarks=remarks)
    project.full_clean()
    project.save()
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    audit_record(action="project.create", actor=by, target=project, project=project)
    return project


@transaction.atomic
def project_update(*, project: Project, by: User | None, **changes: Any) -> Project:
    """Changes `name` or `remarks`, or (staff) `is_active`: a project that is switched off is nobody's for the time.

    Raises NotAllowed, ValidationError.
    """
    unknown = set(changes) - CHANGEABLE_FIELDS
    if unknown:
        raise NotAllowed(_("These cannot be changed: %(names)s.") % {"names": ", ".join(sorted(unknown))})
    project = Project.objects.select_for_update().get(pk=project.pk)
    owner_check(by=by, project=project)
    changed = {name: value for name, value in changes.items() if getattr(project, name) != value}
    if "is_active" in changed and by is not None and not is_unlimited_staff(by):
        raise NotAllowed(_("Only staff may disable or enable a project."))
    if not changed:
        return project
    for name, value in changed.items():
        setattr(project, name, value)
    project.full_clean()
    project.save(update_fields=list(changed))
    audit_record(
        action="project.update", actor=by, target=project, project=project, detail={"changed": sorted(changed)}
    )
    if changed.get("is_active") is False:
        for user_id in project.memberships.values_list("user_id", flat=True):
            announce_revoked(user_id=user_id, project_id=project.pk, reason="membership_lost")
    return project


def project_delete(*, project: Project, by: User | None) -> None:
    """Deletes a project without VMs. Raises NotAllowed, StillOwns, and Conflict for a personal one."""
    owner_check(by=by, project=project)
    if project.personal_owner_id is not None:
        raise Conflict(_("A personal project goes with its user. Disable or delete the user instead."))
    try:
        with transaction.atomic():
            Project.objects.select_for_update().filter(pk=project.pk).first()
            members = list(project.memberships.values_list("user_id", flat=True))
            audit_record(action="project.delete", actor=by, target=project)
            Project.objects.filter(pk=project.pk).delete()
            for user_id in members:
                announce_revoked(user_id=user_id, project_id=project.pk, reason="membership_lost")
    except ProtectedError as error:
        raise StillOwns(
            _("%(project)s owns virtual machines. Move them to another project first, or disable the project instead.")
            % {"project": project}
        ) from error


def member_invite(*, project: Project, email: str, role: Role, by: User) -> Membership | Invitation:
    """Makes the user with that e-mail address a member with `role`, or changes the role; mails an invitation to who has no account.

    Raises:
        NotAllowed: `by` does not own the project.
        TooManyAttempts: too many addresses that nobody has: this is not the place to find out who has an account.
        Invalid: nobody has it, and Eve may or can not mail an invitation.
        LimitReached: too many invitations are open, or they own as many projects as one may (TooManyProjects).
        LastOwner: it would take the last owner's role.
    """
    owner_check(by=by, project=project)
    limit = limit_of("invite", str(by.pk), most=STRANGERS_PER_USER)
    attempt_reserve(limit)
    email = email.strip().lower()
    user = User.objects.filter(email=email, is_active=True).first()
    if user is None:
        return invitation_make(project=project, email=email, role=role, by=by)
    attempt_return(limit)
    return membership_set(project=project, user=user, role=role, by=by)


@transaction.atomic
def membership_set(*, project: Project, user: User, role: Role, by: User | None) -> Membership:
    """Makes `user` a member with `role`, or changes the role. Raises NotAllowed, LastOwner, TooManyProjects."""
    project = Project.objects.select_for_update().get(pk=project.pk)
    owner_check(by=by, project=project)
    membership = Membership.objects.filter(project=project, user=user).first()
    if role is Role.OWNER and project.personal_owner_id is None and (membership is None or membership.role != role):
        ownership_check(user=user, by=by)
    if membership is None:
        membership = Membership.objects.create(project=project, user=user, role=role)
        audit_record(action="member.add", actor=by, target=user, project=project, detail={"role": role})
        return membership
    before = Role(membership.role)
    if before is role:
        return membership
    if before is Role.OWNER:
        other_owner_check(project=project, user=user)
        Invitation.objects.filter(project=project, invited_by=user).delete()
    membership.role = role
    membership.save(update_fields=["role"])
    audit_record(action="member.role", actor=by, target=user, project=project, detail={"role": role, "before": before})
    if not role_allows(role, before):
        announce_revoked(user_id=user.pk, project_id=project.pk, reason="role_changed")
    return membership


@transaction.atomic
def membership_remove(*, project: Project, user: User, by: User | None) -> None:
    """Takes a user out of a project (owners), or lets them leave (themselves); who is not in it stays out.

    Raises NotAllowed, LastOwner.
    """
    project = Project.objects.select_for_update().get(pk=project.pk)
    if by != user:
        owner_check(by=by, project=project)
    membership = Membership.objects.filter(project=project, user=user).first()
    if membership is None:
        return
    if membership.role == Role.OWNER:
        other_owner_check(project=project, user=user)
    Invitation.objects.filter(project=project, invited_by=user).delete()
    membership.delete()
    audit_record(action="member.remove", actor=by, target=user, project=project)
    announce_revoked(user_id=user.pk, project_id=project.pk, reason="membership_lost")


def other_owner_check(*, project: Project, user: User) -> None:
    """That the project has another active owner than `user`. Raises LastOwner; the caller holds the project's row."""
    if project.personal_owner_id == user.pk:
        raise LastOwner(_("A personal project stays with its user."))
    others = Membership.objects.filter(project=project, role=Role.OWNER, user__is_active=True).exclude(user=user)
    if not others.exists():
        raise LastOwner(
            _("%(user)s is the last owner of %(project)s. Make somebody else an owner first.")
            % {"user": user, "project": project}
        )
