"""What changes tickets and console sessions."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from eve_agent.wire.close import RETRYABLE, CloseCode

from accounts.models import AuditOutcome, User
from accounts.services import audit_record
from common.context import current_context
from common.errors import NotAllowed
from common.publish import publish_on_commit
from common.secrets import digest_of, new_secret
from common.sentences import gettext as _
from common.sweeping import rows_sweep
from vms.models import Vm

from . import notices
from .credentials import Handshake, Principal, guest_principal, origin_check, page_session_check
from .errors import BadCredential, ConsoleRefused, TooManyConsoles
from .guests import LABEL
from .models import ConsoleKind, ConsoleMode, ConsoleSession, ConsoleTicket, GuestLink
from .selectors import (
    LIVE_SECONDS,
    link_count,
    link_mode,
    may_control,
    open_counts,
    session_to_tell_of,
    ticket_for,
    vm_for_console,
)
from .viewers import announce

RESUME_SECONDS = 60
CONSOLES_PER_LINK = 5
"""Fewer than a VM may have: guests keep nobody out."""
LINKS_KEPT_DAYS = 90
"""As long a guest link is listed after its end."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A console that a principal may open: which VM, and how."""

    principal: Principal
    vm: Vm
    kind: ConsoleKind
    mode: ConsoleMode
    session_id: uuid.UUID
    is_forced: bool = False
    """Whether a serial line is to be taken from who holds it."""
    may_resume: bool = False
    """Whether there may be a record of that session already: one that broke off goes on."""

    @property
    def ends_at(self) -> dt.datetime | None:
        """When it ends whatever happens: a guest's, with the link."""
        guest = self.principal.guest
        return guest.link.expires_at if guest is not None else None


def mode_allowed(user: User, vm: Vm, wanted: ConsoleMode) -> ConsoleMode:
    """`wanted`, capped by the user's role: a viewer only views."""
    return wanted if wanted is ConsoleMode.VIEW or may_control(user, vm) else ConsoleMode.VIEW


def ticket_create(
    *,
    principal: Principal,
    vm: Vm,
    kind: ConsoleKind = ConsoleKind.VNC,
    mode: ConsoleMode = ConsoleMode.CONTROL,
    resume: uuid.UUID | None = None,
    force: bool = False,
) -> tuple[str, ConsoleTicket]:
    """A ticket for one console, and its secret, which is kept nowhere.

    Args:
        resume: a session that broke off less than a minute ago; where it is the same user's and VM's, its record goes on.
        force: take a serial line from who holds it; for who may control only.

    Raises:
        TooManyConsoles: the VM's or the user's limit is reached already.
    """
    allowed = _mode_of(principal, vm, mode)
    session_id = resume if resume is not None and _resumable(resume, principal, vm) else uuid.uuid4()
    limit_check(vm_id=vm.id, principal=principal, but=session_id)
    secret = new_secret()
    ticket = ConsoleTicket.objects.create(
        digest=digest_of(secret),
        user=principal.user,
        token=principal.token,
        session_digest=principal.session_digest,
        link=principal.guest.link if principal.guest is not None else None,
        vm=vm,
        kind=kind,
        mode=allowed,
        is_forced=force and allowed == ConsoleMode.CONTROL,
        session_id=session_id,
        created_at=Now(),
        expires_at=Now() + dt.timedelta(seconds=settings.CONSOLE_TICKET_SECONDS),
    )
    ticket.refresh_from_db()
    audit_record(
        action="console.ticket",
        **principal.actor,
        target=vm,
        project=vm.project,
        detail={"session": str(session_id), "kind": kind, "mode": ticket.mode},
    )
    return secret, ticket


def ticket_redeem(*, handshake: Handshake, vm_id: uuid.UUID) -> Grant:
    """What the handshake's ticket grants; it is used up by that. Raises BadCredential."""
    ticket = ticket_for(digest_of(handshake.ticket), vm_id=vm_id)
    if ticket is None:
        raise BadCredential("no such ticket")
    origin_check(handshake, is_required=ticket.token is None)
    guest = None
    if ticket.link_id is not None:
        guest = guest_principal(handshake, link_id=ticket.link_id, expected_digest=ticket.session_digest)
    elif ticket.user is None:
        raise BadCredential("the ticket is nobody's")
    elif ticket.token is None:
        page_session_check(handshake, user=ticket.user, expected_digest=ticket.session_digest)
    claimed = ConsoleTicket.objects.filter(pk=ticket.pk, used_at=None, expires_at__gt=Now()).update(used_at=Now())
    if claimed != 1:
        raise BadCredential("the ticket was used meanwhile")
    principal = guest or Principal(user=ticket.user, token=ticket.token, session_digest=ticket.session_digest)
    if ticket.token is not None and not _token_lives(principal):
        raise BadCredential("the ticket's token has ended")
    return grant_for(
        principal=principal,
        vm_id=vm_id,
        kind=ConsoleKind(ticket.kind),
        mode=ConsoleMode(ticket.mode),
        session_id=ticket.session_id,
        is_forced=ticket.is_forced,
    )


def grant_for(
    *,
    principal: Principal,
    vm_id: uuid.UUID,
    kind: ConsoleKind,
    mode: ConsoleMode,
    session_id: uuid.UUID | None = None,
    is_forced: bool = False,
) -> Grant:
    """What the principal may open of that VM now. Raises BadCredential where it is not theirs, or they are disabled."""
    vm = _vm_of(principal, vm_id)
    if vm is None:
        raise BadCredential("no such VM for this user")
    return Grant(
        principal=principal,
        vm=vm,
        kind=kind,
        mode=_mode_of(principal, vm, mode),
        session_id=session_id or uuid.uuid4(),
        is_forced=is_forced,
        may_resume=session_id is not None,
    )


def session_begin(*, grant: Grant) -> ConsoleSession:
    """Writes down that a console session starts, or goes on after a break; within the caller's transaction. Raises ConsoleRefused.

    A resumed session may still be open over the connection that broke (Eve learns of that later than a browser): its record is
    the new connection's from here on, and the old one is told to look.
    """
    principal, now = grant.principal, timezone.now()
    if (
        connection.features.has_select_for_update
    ):  # elsewhere (SQLite) writing transactions come one after the other anyway
        Vm.objects.filter(pk=grant.vm.pk).select_for_update().order_by().values_list("pk").first()
        if principal.user is not None:
            User.objects.filter(pk=principal.user.pk).select_for_update().order_by().values_list("pk").first()
    limit_check(vm_id=grant.vm.pk, principal=principal, but=grant.session_id)
    of_connection = {
        "mode": grant.mode,
        "kind": grant.kind,
        "token": principal.token,
        "session_digest": principal.session_digest,
        "request_id": current_context().request_id,
        "seen_at": now,
    }
    is_new = not (grant.may_resume and _session_resume(grant.session_id, of_connection))
    session = (
        ConsoleSession.objects.create(
            id=grant.session_id,
            vm=grant.vm,
            vm_uuid=grant.vm.pk,
            vm_name=grant.vm.name,
            user=principal.user,
            user_label=principal.label,
            link=principal.guest.link if principal.guest is not None else None,
            address=current_context().address,
            started_at=now,
            **of_connection,
        )
        if is_new
        else ConsoleSession.objects.get(pk=grant.session_id)
    )
    audit_record(
        action="console.open" if is_new else "console.resume",
        **principal.actor,
        target=grant.vm,
        project=grant.vm.project,
        detail={
            "session": str(session.id),
            "kind": session.kind,
            "mode": session.mode,
            **({"forced": True} if grant.is_forced else {}),
        },
    )
    announce(grant.vm)
    if not is_new:
        publish_on_commit(notices.GROUP, notices.check_notice(notices.session_topic(session.id)))
    return session


def _session_resume(session_id: uuid.UUID, of_connection: Mapping[str, object]) -> bool:
    """Lets the record of that session go on, if there is one. Raises ConsoleRefused where it ended for good since its ticket was made."""
    record = ConsoleSession.objects.filter(pk=session_id)
    if record.filter(_BROKEN_OFF).update(**of_connection, ended_at=None, close_code=None, end_reason=""):
        return True
    ended = record.first()
    if ended is None:
        return False
    known = ended.close_code if ended.close_code in set(CloseCode) else None  # a viewer or newer agent has others
    raise ConsoleRefused(CloseCode(known or CloseCode.ACCESS_ENDED), ended.end_reason)


def session_meter(*, session_id: uuid.UUID, request_id: str, bytes_to_viewer: int, bytes_from_viewer: int) -> None:
    """Notes how many bytes a live session has moved in all, and that it is alive. Of a connection that was resumed elsewhere: nothing."""
    ConsoleSession.objects.filter(pk=session_id, request_id=request_id, ended_at=None).update(
        bytes_to_viewer=bytes_to_viewer, bytes_from_viewer=bytes_from_viewer, seen_at=timezone.now()
    )


@transaction.atomic
def session_end(
    *,
    session_id: uuid.UUID,
    code: int,
    reason: str = "",
    request_id: str = "",
    moved: tuple[int, int] | None = None,
) -> bool:
    """Writes down that a session ended and why, once: False where that was done already.

    Args:
        request_id: of the connection that says so: one whose session went on over another ends nothing.
        moved: bytes to and from the viewer in all, where they are known.
    """
    rows = ConsoleSession.objects.filter(pk=session_id, ended_at=None)
    if request_id:
        rows = rows.filter(request_id=request_id)
    counts = {} if moved is None else {"bytes_to_viewer": moved[0], "bytes_from_viewer": moved[1]}
    ended = rows.update(ended_at=timezone.now(), close_code=code, end_reason=reason[:200], **counts)
    session = session_to_tell_of(session_id) if ended else None
    if session is None:
        return False
    if session.vm is not None:
        announce(session.vm)
    audit_record(
        action="console.close",
        actor=session.user,
        actor_label=LABEL.format(name=session.user_label) if session.link_id else session.user_label,
        target=session.vm,
        target_type="vm",
        target_id=str(session.vm_uuid),
        target_label=session.vm_name,
        project=session.vm.project if session.vm else None,
        outcome=AuditOutcome.FAILURE if code == CloseCode.INTERNAL_ERROR else AuditOutcome.SUCCESS,
        detail={
            "session": str(session.id),
            "close_code": code,
            "reason": session.end_reason,
            "bytes_to_viewer": session.bytes_to_viewer,
            "bytes_from_viewer": session.bytes_from_viewer,
        },
    )
    return True


def session_cut(*, session: ConsoleSession, user: User) -> None:
    """Ends a live session, wherever it is served: the user's own, or any at a VM that they operate. Raises NotAllowed."""
    own = session.user_id == user.pk
    if not own and (
        session.vm is None or mode_allowed(user, session.vm, ConsoleMode.CONTROL) is not ConsoleMode.CONTROL
    ):
        raise NotAllowed(_("Only those who operate this VM may end other people's consoles."))
    if session.ended_at is not None:
        return
    audit_record(
        action="console.cut",
        actor=user,
        target=session.vm,
        target_type="vm",
        target_id=str(session.vm_uuid),
        target_label=session.vm_name,
        project=session.vm.project if session.vm else None,
        detail={"session": str(session.pk), "viewer": session.user_label},
    )
    reason = _("You ended it.") if own else _("%(name)s ended it.") % {"name": user.name or user.email}
    # Its end is written by who serves it; from now on nothing goes on under its name.
    ConsoleSession.objects.filter(pk=session.pk, ended_at=None).update(
        close_code=CloseCode.ENDED_BY_STAFF, end_reason=reason[:200]
    )
    publish_on_commit(
        notices.GROUP, notices.end_notice(notices.session_topic(session.pk), CloseCode.ENDED_BY_STAFF, reason)
    )


def sessions_sweep() -> int:
    """Ends the records of sessions whose process was killed, and deletes spent tickets. Returns how many ended."""
    silent = ConsoleSession.objects.filter(
        ended_at=None, seen_at__lt=timezone.now() - dt.timedelta(seconds=LIVE_SECONDS)
    )
    ended = 0
    for session_id in list(silent.values_list("pk", flat=True)[:1000]):
        ended += session_end(
            session_id=session_id, code=CloseCode.SERVICE_RESTART, reason=_("Eve stopped while it was open.")
        )
    rows_sweep(ConsoleTicket.objects.filter(expires_at__lt=timezone.now() - dt.timedelta(hours=1)))
    rows_sweep(GuestLink.objects.filter(expires_at__lt=timezone.now() - dt.timedelta(days=LINKS_KEPT_DAYS)))
    return ended


def limit_check(*, vm_id: uuid.UUID, principal: Principal, but: uuid.UUID) -> None:
    """That one more session, not counting `but`, is within the limits. Raises TooManyConsoles."""
    of_vm, of_user = open_counts(vm_id=vm_id, user=principal.user, but=but)
    if principal.guest is not None and link_count(principal.guest.link, but=but) >= CONSOLES_PER_LINK:
        raise TooManyConsoles(
            _("%(limit)d consoles are open by this link already. Close one, then try again.")
            % {"limit": CONSOLES_PER_LINK}
        )
    if of_vm >= settings.CONSOLES_PER_VM:
        raise TooManyConsoles(
            _("%(limit)d consoles of this VM are open already. Close one, then try again.")
            % {"limit": settings.CONSOLES_PER_VM}
        )
    if of_user >= settings.CONSOLES_PER_USER:
        raise TooManyConsoles(
            _("You have %(limit)d consoles open already. Close one, then try again.")
            % {"limit": settings.CONSOLES_PER_USER}
        )


def _mode_of(principal: Principal, vm: Vm, wanted: ConsoleMode) -> ConsoleMode:
    if principal.guest is not None:
        return link_mode(principal.guest.link, wanted)
    return mode_allowed(principal.user, vm, wanted) if principal.user is not None else ConsoleMode.VIEW


def _vm_of(principal: Principal, vm_id: uuid.UUID) -> Vm | None:
    """The VM, if the principal may open a console of it."""
    if principal.guest is not None:
        return principal.guest.link.vm if principal.guest.link.vm_id == vm_id else None
    if principal.user is None or not principal.user.is_active:
        return None
    return vm_for_console(principal.user, vm_id)


def _resumable(session_id: uuid.UUID, principal: Principal, vm: Vm) -> bool:
    since = timezone.now() - dt.timedelta(seconds=RESUME_SECONDS)
    sessions = ConsoleSession.objects.filter(_BROKEN_OFF, pk=session_id, vm=vm)
    if principal.guest is not None:
        sessions = sessions.filter(link=principal.guest.link, session_digest=principal.session_digest)
    else:
        sessions = sessions.filter(user=principal.user, link=None)
    return sessions.filter(Q(ended_at=None, seen_at__gt=since) | Q(ended_at__gt=since)).exists()


_BROKEN_OFF: Final = Q(ended_at=None, close_code=None) | Q(
    ended_at__isnull=False, close_code__in=[*RETRYABLE, CloseCode.NORMAL, CloseCode.GOING_AWAY, 1005, 1006]
)
"""Sessions that may go on: nobody took the access away. Open ones may be broken already; of the ended ones, a browser's or network's end looks so."""


def _token_lives(principal: Principal) -> bool:
    token = principal.token
    return token is not None and token.expires_at > timezone.now()
