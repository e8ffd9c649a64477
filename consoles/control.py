"""Who has the keyboard of a VM's screen: it is given, taken and handed over while the sessions go on."""

from __future__ import annotations

from typing import Final

from eve_agent.wire.console import ConsoleMode as WireMode
from eve_agent.wire.errors import ErrorCode

from accounts.models import User
from accounts.services import audit_record
from common.sentences import gettext as _
from hypervisors.client import AgentClient
from hypervisors.errors import AgentRefused
from vms.models import Vm
from vms.services.machines import require_operator

from .errors import MayNotControl, SessionOver
from .models import ConsoleMode, ConsoleSession
from .selectors import live_sessions
from .viewers import announce, session_may_control, viewer_name

_ACTION: Final = "console.mode"


def session_set_mode(*, session: ConsoleSession, user: User, mode: ConsoleMode) -> ConsoleSession:
    """Lets a live session use the keyboard, or only look, from its next key on.

    The user's own to look only; any other for who operates the VM.

    Raises:
        vms.errors.ActionNotAllowed: the user may not.
        MayNotControl: the viewer's role does not allow the keyboard.
        SessionOver: it has ended.
        hypervisors.errors.AgentError: the host failed; nothing was changed.
    """
    vm = _vm_of(session)
    if session.user_id != user.pk or mode is ConsoleMode.CONTROL:
        require_operator(user, vm, action=_ACTION)
    if mode is ConsoleMode.CONTROL and not session_may_control(session):
        raise MayNotControl(_("%(name)s may only look: the role does not allow more.") % {"name": viewer_name(session)})
    if session.mode == mode:
        return session
    _switch(session, vm, mode)
    audit_record(
        action=_ACTION,
        actor=user,
        target=vm,
        project=vm.project,
        detail={"session": str(session.pk), "viewer": session.user_label, "mode": mode.value},
    )
    announce(vm)
    return session


def control_hand_over(*, session: ConsoleSession, user: User) -> ConsoleSession:
    """Gives a session the keyboard and takes it from everybody else at the VM. Raises as :func:`session_set_mode`."""
    session = session_set_mode(session=session, user=user, mode=ConsoleMode.CONTROL)
    others = live_sessions().filter(vm=session.vm, kind=session.kind, mode=ConsoleMode.CONTROL)
    for other in others.exclude(pk=session.pk).select_related("user", "vm__project", "vm__hypervisor"):
        try:
            session_set_mode(session=other, user=user, mode=ConsoleMode.VIEW)
        except SessionOver:
            continue
    return session


def _switch(session: ConsoleSession, vm: Vm, mode: ConsoleMode) -> None:
    """On record first where it is more, at the host first where it is less: no session does what its record does not allow."""
    rows = ConsoleSession.objects.filter(pk=session.pk, ended_at=None)
    before = session.mode
    if mode is ConsoleMode.CONTROL and not rows.update(mode=mode):
        raise SessionOver(_("That console has ended already."))
    try:
        with AgentClient(vm.hypervisor) as agent:
            agent.console_set_mode(vm.pk, session.pk, WireMode(mode.value))
    except AgentRefused as refusal:  # after any other failure it may have the keyboard: then the record says so
        rows.update(mode=before)
        if refusal.agent_code is ErrorCode.CONSOLE_NOT_FOUND:
            raise SessionOver(_("That console has ended already.")) from refusal
        raise
    rows.update(mode=mode)
    session.mode = mode


def _vm_of(session: ConsoleSession) -> Vm:
    if session.vm is None or session.ended_at is not None:
        raise SessionOver(_("That console has ended already."))
    return session.vm
