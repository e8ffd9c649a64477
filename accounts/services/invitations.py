"""Invitations into a project for those who have no account yet: a link by mail, by which they make one."""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.audit import audit_record
from accounts.errors import LinkSpent
from accounts.mail import invitation_mail_send
from accounts.models import Invitation, Membership, Project, Role, User
from accounts.throttle import attempt_reserve, limit_of
from common.errors import Invalid, LimitReached
from common.secrets import digest_of, new_secret
from common.sentences import gettext as _

MOST_INVITATIONS = 50
MAILS_PER_ADDRESS = 3
LASTS = dt.timedelta(days=7)


def invitation_make(*, project: Project, email: str, role: Role, by: User) -> Invitation:
    """Mails an invitation to somebody without an account; a second one to the same address replaces the first.

    The caller has checked that `by` owns the project.

    Raises:
        Invalid: this Eve sends no mail, or owners may not invite strangers.
        LimitReached: the project has as many as it may, or the address got some a moment ago (TooManyAttempts).
    """
    if not (settings.SENDS_MAIL and settings.INVITE_STRANGERS):
        raise Invalid(_("Nobody with this e-mail address has an account here. Staff have to make one first."))
    attempt_reserve(limit_of("invite-address", email, most=MAILS_PER_ADDRESS))
    secret = new_secret()
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        if project.invitations.exclude(email=email).count() >= MOST_INVITATIONS:
            most = {"most": MOST_INVITATIONS}
            raise LimitReached(_("%(most)d invitations are open, which is the most. Withdraw one first.") % most)
        project.invitations.filter(email=email).delete()
        invitation = Invitation(
            project=project,
            email=email,
            role=role,
            invited_by=by,
            digest=digest_of(secret),
            expires_at=timezone.now() + LASTS,
        )
        invitation.full_clean()
        invitation.save(force_insert=True)
        audit_record(action="invitation.make", actor=by, target=invitation, project=project, detail={"role": role})
    link = f"{settings.PUBLIC_URL}{reverse('invitation')}?{urlencode({'link': secret})}"
    invitation_mail_send(address=email, inviter=by.email, link=link, days=LASTS.days)
    return invitation


@transaction.atomic
def invitation_withdraw(*, invitation: Invitation, by: User) -> None:
    """Makes its link worth nothing; one that is gone already stays gone. The caller has checked that `by` owns the project."""
    invitation_id = invitation.pk
    if Invitation.objects.filter(pk=invitation_id).delete()[0]:
        audit_record(
            action="invitation.withdraw",
            actor=by,
            target_type="invitation",
            target_id=str(invitation_id),
            target_label=invitation.email,
            project=invitation.project,
        )


def invitation_of(link: str, *, is_locked: bool = False) -> Invitation:
    """The open invitation of a link, with its row locked, if asked. Raises LinkSpent."""
    rows = Invitation.objects.select_for_update(of=("self",)) if is_locked else Invitation.objects.all()
    found = rows.select_related("project").filter(
        digest=digest_of(link), expires_at__gt=timezone.now(), project__is_active=True
    )
    if (invitation := found.first()) is None:
        raise LinkSpent(
            _("It was used, is older than a week, or was withdrawn. Ask whoever invited you for a new one.")
        )
    return invitation


def invitations_apply(*, user: User) -> None:
    """Takes a new user into the projects that wait for their address: staff, or the link in a mail, say that it is theirs."""
    waiting = Invitation.objects.filter(email=user.email, expires_at__gt=timezone.now()).select_related("project")
    for invitation in waiting:
        role = {"role": invitation.role}
        Membership.objects.get_or_create(project=invitation.project, user=user, defaults=role)
        audit_record(
            action="member.add", actor=invitation.invited_by, target=user, project=invitation.project, detail=role
        )
    Invitation.objects.filter(email=user.email).delete()
