"""What is read of consoles, always through the eyes of a user."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from eve_agent.wire.close import CloseCode

from accounts.models import LoginToken, Role, User
from accounts.selectors import is_unlimited_staff, role_allows
from accounts.sessions import session_user
from vms.models import Vm
from vms.selectors import role_on, vms_visible_to

from .models import ConsoleMode, ConsoleSession

LIVE_SECONDS = 150
"""A session that was not seen for that long has lost its process: consoles are seen every 30 s, and may miss a few while the database is away."""


def live_sessions() -> QuerySet[ConsoleSession]:
    """The sessions that are open now, everybody's."""
    return ConsoleSession.objects.filter(ended_at=None, seen_at__gt=timezone.now() - dt.timedelta(seconds=LIVE_SECONDS))


def vm_for_console(user: User, vm_id: uuid.UUID) -> Vm | None:
    """The VM, with its host and project, if it exists for that user."""
    return vms_visible_to(user).select_related("hypervisor", "project").filter(pk=vm_id).first()


def sessions_for(user: User) -> QuerySet[ConsoleSession]:
    """The user's own sessions, and those at VMs that they see; for staff of every site also those at VMs that are gone."""
    if is_unlimited_staff(user):
        return ConsoleSession.objects.all()
    return ConsoleSession.objects.filter(Q(user=user) | Q(vm__in=vms_visible_to(user)))


def reason_to_end(session_id: uuid.UUID, *, request_id: str, session_key: str = "") -> CloseCode | None:
    """Why a live session must end now, or None while its user may go on: asked every 30 s and at each revocation.

    Args:
        request_id: of the connection that asks; it ends where the session went on over another.
        session_key: of the login session that opened it (known to the consumer only); empty for a token's.
    """
    session = ConsoleSession.objects.select_related("user", "token", "vm__hypervisor").filter(pk=session_id).first()
    if session is None or session.ended_at is not None:
        return CloseCode.ACCESS_ENDED
    if session.request_id != request_id:
        return CloseCode.GOING_AWAY
    if session.vm is None:
        return CloseCode.VM_GONE
    if not session.vm.hypervisor.certificate_fingerprint:
        return CloseCode.HOST_AWAY
    return None if _may_go_on(session, session.vm, session_key) else CloseCode.ACCESS_ENDED


def _may_go_on(session: ConsoleSession, vm: Vm, session_key: str) -> bool:
    user = session.user
    if user is None or not user.is_active or not _login_lives(session, session_key):
        return False
    if vm_for_console(user, vm.pk) is None:
        return False
    return session.mode != ConsoleMode.CONTROL or _may_control(user, vm)


def _may_control(user: User, vm: Vm) -> bool:
    role = role_on(user, vm)
    return role is not None and role_allows(role, Role.OPERATOR)


def _login_lives(session: ConsoleSession, session_key: str) -> bool:
    if session.session_digest:
        return session_user(session_key) == session.user
    return (
        session.token_id is not None and LoginToken.objects.filter(pk=session.token_id, expires_at__gt=Now()).exists()
    )
