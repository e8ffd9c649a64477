"""What is read of consoles, always through the eyes of a user."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from types import SimpleNamespace
from typing import Any, cast

from django.db.models import CharField, Count, DateTimeField, Q, QuerySet, UUIDField
from django.db.models.functions import Now
from django.utils import timezone
from eve_agent.wire.close import CloseCode

from accounts.models import Role, User
from accounts.selectors import is_unlimited_staff, role_allows
from accounts.sessions import session_user
from common.prepared import Parameter, Prepared
from common.secrets import digest_of
from vms.models import Vm
from vms.selectors import role_on, vms_visible_to

from .guests import Guest, name_by_key, name_in
from .models import ConsoleMode, ConsoleSession, ConsoleTicket, GuestLink

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
    "link",
    "token__expires_at",
    "user__is_active",
    "user__is_staff",
    "user__is_superuser",
    "user__is_site_limited",
    "vm__project__is_active",
    "vm__hypervisor__certificate_fingerprint",
)
_TOLD_FIELDS = (
    "vm_uuid",
    "vm_name",
    "user_label",
    "link",
    "end_reason",
    "bytes_to_viewer",
    "bytes_from_viewer",
    "user__email",
    "vm__name",
    "vm__project__is_active",
    "vm__hypervisor__site",
)
_SESSION_TO_LOOK_AT = Prepared(
    lambda: (
        ConsoleSession.objects.select_related("user", "token", "vm__hypervisor", "vm__project")
        .only(*_LOOK_FIELDS)
        .order_by()
        .filter(pk=Parameter("session_id", UUIDField()))
    )
)
_SESSION_TO_TELL_OF = Prepared(
    lambda: (
        ConsoleSession.objects.select_related("user", "vm__hypervisor", "vm__project")
        .only(*_TOLD_FIELDS)
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
_NOBODY = uuid.UUID(int=0)
LIVE_SECONDS = 150
"""A session that was not seen for that long has lost its process: consoles are seen every 30 s, and may miss a few while the database is away."""


def live_sessions() -> QuerySet[ConsoleSession]:
    """The sessions that are open now, everybody's."""
    return ConsoleSession.objects.filter(ended_at=None, seen_at__gt=_seen_after())


def open_counts(*, vm_id: uuid.UUID, user: User | None, but: uuid.UUID) -> tuple[int, int]:
    """How many sessions are open now at that VM, and of that user (of a guest: 0), not counting `but`."""
    user_id = user.pk if user is not None else _NOBODY
    found = _OPEN_BY_LIMIT.first(vm_id=vm_id, user_id=user_id, but=but, seen_after=_seen_after())
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


def link_by_secret(secret: str) -> GuestLink | None:
    """The link with that secret, whether or not it still opens anything."""
    return _links().filter(digest=digest_of(secret)).first()


def link_lives(link: GuestLink) -> bool:
    """Whether it opens its VM's screen now: not revoked or expired, and its maker may still control that VM."""
    if link.revoked_at is not None or link.expires_at <= timezone.now():
        return False
    maker = link.created_by
    return maker is not None and maker.is_active and link.vm.project.is_active and may_control(maker, link.vm)


def link_mode(link: GuestLink, wanted: ConsoleMode) -> ConsoleMode:
    """`wanted`, capped by the link."""
    return wanted if link.mode == ConsoleMode.CONTROL else ConsoleMode.VIEW


def guest_in(session: Any, link_id: uuid.UUID) -> Guest | None:
    """Whom that session lets in by that link, if the link lives."""
    return _guest(name_in(session, link_id), link_id)


def guest_by_key(session_key: str, link_id: uuid.UUID) -> Guest | None:
    """:func:`guest_in` for the session with that key."""
    return _guest(name_by_key(session_key, link_id), link_id)


def link_count(link: GuestLink, *, but: uuid.UUID) -> int:
    """How many sessions are open now by that link, not counting `but`."""
    return live_sessions().filter(link=link).exclude(pk=but).count()


def links_of(vm: Vm) -> QuerySet[GuestLink]:
    """The VM's links, the newest first."""
    return GuestLink.objects.filter(vm=vm).select_related("created_by", "revoked_by").order_by("-created_at", "id")


def _guest(name: str, link_id: uuid.UUID) -> Guest | None:
    link = _links().filter(pk=link_id).first() if name else None
    return Guest(link, name) if link is not None and link_lives(link) else None


def _links() -> QuerySet[GuestLink]:
    return GuestLink.objects.select_related("created_by", "vm__project", "vm__hypervisor")


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


def session_to_tell_of(session_id: uuid.UUID) -> ConsoleSession | None:
    """The session, with its user, VM and host; of each only what the record of its end says."""
    return _SESSION_TO_TELL_OF.first(session_id=session_id)


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
    if session.link_id is not None:
        guest = guest_by_key(session_key, session.link_id)
        return guest is not None and link_mode(guest.link, ConsoleMode(session.mode)) == session.mode
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
