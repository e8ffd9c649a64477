"""Whether a console may be opened: all that is looked up and written down before its display is asked for, in one go."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import structlog
from django.db import transaction

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors.tls import AgentTls, agent_tls

from .credentials import Handshake, principal_of_token
from .errors import ConsoleRefused, HostUnreachable
from .models import ConsoleSession
from .services import Grant, grant_for, session_begin, session_end, ticket_redeem

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A console that may be opened: it is on record, and audited."""

    grant: Grant
    session: ConsoleSession
    trust: AgentTls
    """What the link to the VM's host takes."""


Admission = Admitted | ConsoleRefused


def admit(handshake: Handshake, vm_id: uuid.UUID) -> Admission:
    """Whom the handshake stands for, what they may open, and the record of it; or why there is no console for them now.

    Synchronous, and one function, since each way to a thread with the database and back costs as much as a query.

    Raises:
        BadCredential: nothing may be said.
    """
    grant = _authorise(handshake, vm_id)
    try:
        return _begin(grant)
    except ConsoleRefused as refusal:
        return refusal


@transaction.atomic
def _begin(grant: Grant) -> Admission:
    """The record, and what its link takes, in one transaction. Raises ConsoleRefused."""
    session = session_begin(grant=grant)
    try:
        return Admitted(grant, session, agent_tls(grant.vm.hypervisor))
    except EveError as error:
        log.warning("agent not trusted", why=str(error))
        away = HostUnreachable(_("The host of this virtual machine is not connected to Eve just now."))
        session_end(session_id=session.id, code=away.close_code, reason=str(away.detail), request_id=session.request_id)
        return away


def _authorise(handshake: Handshake, vm_id: uuid.UUID) -> Grant:
    if handshake.ticket:
        return ticket_redeem(handshake=handshake, vm_id=vm_id)
    return grant_for(principal=principal_of_token(handshake), vm_id=vm_id, kind=handshake.kind, mode=handshake.mode)
