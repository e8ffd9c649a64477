"""Texts that hosts are typing end with their authors' access, as consoles do.

A host types by itself for minutes, so what began is written down until it is over. When the apps below announce that access
is gone, a thread looks at those whom it may concern; the sweeper looks at all of them, should that thread or its process have died.
"""

from __future__ import annotations

import datetime as dt
import threading
from functools import partial
from typing import Any

import structlog
from django.contrib.sessions.models import Session
from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone
from eve_agent.wire.keyboard import chords
from eve_agent.wire.typing import TextToType, TypingState

from accounts.models import Role
from accounts.selectors import role_allows
from accounts.services import audit_record
from accounts.session_store import stored_digest
from hypervisors.client import AgentClient
from hypervisors.errors import AgentError
from vms.models import Vm
from vms.selectors import role_on

from .credentials import Principal
from .models import Typing

log = structlog.get_logger(__name__)

SPARE_SECONDS = 60
"""How much longer than its keys take a text may be on its way."""


def typing_note(*, vm: Vm, principal: Principal, wanted: TextToType) -> Typing:
    """Writes down that the host is about to type."""
    keys = chords(wanted.layout)
    seconds = sum(len(keys[character]) for character in wanted.text) / wanted.keys_per_second
    return Typing.objects.create(
        id=wanted.typing_id,
        vm=vm,
        user=principal.user,
        token=principal.token,
        session_digest=principal.session_digest,
        ends_at=timezone.now() + dt.timedelta(seconds=2 * seconds + SPARE_SECONDS),
    )


def typings_disown(typings: QuerySet[Typing]) -> None:
    """Whoever had them begin is signed out everywhere: nothing that they may again afterwards lets them go on."""
    typings.update(token=None, session_digest="")


def typings_look_soon(typings: QuerySet[Typing]) -> None:
    """Looks at them in a thread, which may have to wait for hosts; where there are any, which is seldom."""
    keys = list(typings.values_list("pk", flat=True))
    if keys:
        threading.Thread(target=partial(_look, keys), name="typings", daemon=True).start()


def typings_look(typings: QuerySet[Typing]) -> None:
    """Cancels those whose authors may not go on, and forgets those that have ended."""
    for typing in typings.select_related("user", "token", "vm__project", "vm__hypervisor"):
        if not _may_go_on(typing):
            _cancel(typing)
    typings.filter(ends_at__lt=timezone.now()).delete()


def _look(keys: list[Any]) -> None:
    try:
        typings_look(Typing.objects.filter(pk__in=keys))
    except Exception:
        log.exception("typings could not be looked at; the sweeper will")
    finally:
        connections.close_all()


def _may_go_on(typing: Typing) -> bool:
    user = typing.user
    if user is None or not user.is_active or not _login_lives(typing):
        return False
    role = role_on(user, typing.vm)
    return role is not None and role_allows(role, Role.OPERATOR)


def _login_lives(typing: Typing) -> bool:
    now = timezone.now()
    if typing.session_digest:
        found = Session.objects.filter(session_key=stored_digest(typing.session_digest), expire_date__gt=now)
        return found.exists()
    return typing.token is not None and typing.token.expires_at > now


def _cancel(typing: Typing) -> None:
    """At the next key, if it is still that text that is typed. A host that is away is asked again by the sweeper."""
    vm = typing.vm
    try:
        with AgentClient(vm.hypervisor) as agent:
            status = agent.typing_status(vm.pk)
            is_typed = status.state is TypingState.RUNNING and status.typing_id == typing.pk
            if is_typed:
                status = agent.typing_cancel(vm.pk)
    except AgentError as error:
        log.warning("a text whose author lost access is still typed", vm=str(vm.pk), why=str(error))
        return
    if is_typed:
        audit_record(
            action="console.type_cancel",
            target=vm,
            project=vm.project,
            detail={"typed": status.typed, "characters": status.total, "reason": "access ended"},
        )
    typing.delete()
