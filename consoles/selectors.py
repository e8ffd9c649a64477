"""What is read of consoles, always through the eyes of a user."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from types import SimpleNamespace
from typing import cast

from django.db.models import CharField, Count, DateTimeField, Q, QuerySet, UUIDField
from django.db.models.functions import Now
from django.utils import timezone
from eve_agent.wire.close import CloseCode

from accounts.models import Role, User
from accounts.selectors import is_unlimited_staff, role_allows
from accounts.sessions import session_user
from common.prepared import Parameter, Prepared
from vms.models import Vm
from vms.selectors import role_on, vms_visible_to

from .models import ConsoleMode, ConsoleSession, ConsoleTicket

_VM_FIELDS = (
    "name",
    "project__is_active",
    "hypervisor__name",
    "hypervisor__site",
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
_SESSION_TO_LOOK_AT = Prepared(
    lambda: (
        ConsoleSession.objects.select_related("user", "token", "vm__hypervisor", "vm__project")
        .only(*_LOOK_FIELDS)
        .order_by()
        .filter(pk=Parameter("session_id", UUIDField()))
    )
)
_VM_ID, _USER_ID = Parameter("vm_id", UUIDField()), Parameter("user_id", UUIDField())
_TICKET = Prepared(
    lambda: (
        ConsoleTicket.objects.select_related("user", "token")
        .order_by()
        .filter(digest=Parameter("digest", CharField()), vm_id=_VM_ID, used_at=None, expires_at__gt=Now())
    )
)
_OPEN_BY_LIMIT = Prepared(
    lambda: (
        ConsoleSession.objects.filter(ended_at=None, seen_at__gt=Parameter("seen_after", DateTimeField()))
        .exclude(pk=Parameter("but", UUIDField()))
        .filter(Q(vm_uuid=_VM_ID) | Q(user_id=_USER_ID))
        .order_by()
        .values_list("ended_at")  # one group: they are all open
        .annotate(of_vm=Count("pk", filter=Q(vm_uuid=_VM_ID)), of_user=Count("pk", filter=Q(user_id=_USER_ID)))
    )
)
LIVE_SECONDS = 150
"""A session that was not seen for that long has lost its process: consoles are seen every 30 s, and may miss a few while the database is away."""


def live_sessions() -> QuerySet[ConsoleSession]:
    """The sessions that are open now, everybody's."""
    return ConsoleSession.objects.filter(ended_at=None, seen_at__gt=_seen_after())


def open_counts(*, vm_id: uuid.UUID, user: User, but: uuid.UUID) -> tuple[int, int]:
    """How many sessions are open now at that VM, and of that user, not counting `but`."""
    found = _OPEN_BY_LIMIT.first(vm_id=vm_id, user_id=user.pk, but=but, seen_after=_seen_after())
    return (found[1], found[2]) if found is not None else (0, 0)


def _seen_after() -> dt.datetime:
    return timezone.now() - dt.timedelta(seconds=LIVE_SECONDS)


def vm_for_console(user: User, vm_id: uuid.UUID) -> Vm | None:
    """The VM, with its host and project, if it exists for that user; of each only what opening a console takes."""
    query = _vms_visible_to_one(
        is_active=user.is_active,
        is_staff=user.is_staff,
        is_superuser=user.is_superuser,
        is_site_limited=user.is_site_limited,
    )
    return query.first(user_id=user.pk, vm_id=vm_id)


@functools.cache
def _vms_visible_to_one(**flags: bool) -> Prepared[Vm]:
    """``vms_visible_to`` for all users with the same flags."""
    somebody = cast(User, SimpleNamespace(pk=Parameter("user_id", UUIDField()), **flags))
    return Prepared(
        lambda: (
            vms_visible_to(somebody)
            .select_related("hypervisor", "project")
            .only(*_VM_FIELDS)
            .order_by()
            .filter(pk=Parameter("vm_id", UUIDField()))
        )
    )


def ticket_for(digest: str, *, vm_id: uuid.UUID) -> ConsoleTicket | None:
    """The unused ticket with that digest, with its user and login token, if it is for that VM."""
    return _TICKET.first(digest=digest, vm_id=vm_id)


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
    session = _SESSION_TO_LOOK_AT.first(session_id=session_id)
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
    return session.mode != ConsoleMode.CONTROL or may_control(user, vm)


def _login_lives(session: ConsoleSession, session_key: str) -> bool:
    if session.session_digest:
        return session_user(session_key) == session.user
    return session.token is not None and session.token.expires_at > timezone.now()
