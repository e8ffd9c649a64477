"""What is read of consoles, always through the eyes of a user."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db.models import Q, QuerySet
from django.utils import timezone
from eve_agent.wire.close import CloseCode

from accounts.models import Role, User
from accounts.selectors import is_unlimited_staff, role_allows
from accounts.sessions import session_user
from vms.models import Vm
from vms.selectors import role_on, vms_visible_to

from .models import ConsoleMode, ConsoleSession

_VM_FIELDS = (
    "name",
    "project__is_active",
    "hypervisor__name",
    "hypervisor__state",
    "hypervisor__address",
    "hypervisor__certificate_fingerprint",
    "hypervisor__pending_fingerprint",
    "hypervisor__eve_pins",
)
_LOOK_FIELDS = (
    "ended_at",
    "request_id",
    "mode",
    "session_digest",
    "token__expires_at",
    "user__is_active",
    "user__is_staff",
    "user__is_superuser",
    "user__is_site_limited",
    "vm__project__is_active",
    "vm__hypervisor__certificate_fingerprint",
)
LIVE_SECONDS = 150
"""A session that was not seen for that long has lost its process: consoles are seen every 30 s, and may miss a few while the database is away."""


def live_sessions() -> QuerySet[ConsoleSession]:
    """The sessions that are open now, everybody's."""
    return ConsoleSession.objects.filter(ended_at=None, seen_at__gt=timezone.now() - dt.timedelta(seconds=LIVE_SECONDS))


def vm_for_console(user: User, vm_id: uuid.UUID) -> Vm | None:
    """The VM, with its host and project, if it exists for that user; of each only what opening a console takes."""
    visible = vms_visible_to(user).select_related("hypervisor", "project").only(*_VM_FIELDS)
    return visible.order_by().filter(pk=vm_id).first()


def may_control(user: User, vm: Vm) -> bool:
    """Whether the user may use keys and pointer there, and end other people's consoles."""
    if is_unlimited_staff(user):
        return True
    role = role_on(user, vm)
    return role is not None and role_allows(role, Role.OPERATOR)


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
    sessions = ConsoleSession.objects.select_related("user", "token", "vm__hypervisor", "vm__project")
    session = sessions.only(*_LOOK_FIELDS).order_by().filter(pk=session_id).first()
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
    if not vms_visible_to(user).filter(pk=vm.pk).exists():
        return False
    return session.mode != ConsoleMode.CONTROL or may_control(user, vm)


def _login_lives(session: ConsoleSession, session_key: str) -> bool:
    if session.session_digest:
        return session_user(session_key) == session.user
    return session.token is not None and session.token.expires_at > timezone.now()
