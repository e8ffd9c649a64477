"""The insides of guests: what they tell of themselves, kept in Eve for a while, and what their agents are asked to do.

Hosts are asked here and now, not by operations: an answer is there within seconds or not at all, and a password must not rest in
a table until a worker comes by.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from django.db.models import F, Q
from django.utils import timezone
from eve_agent.wire import codec
from eve_agent.wire.checks import check_user_name
from eve_agent.wire.guest import FreezeRequest, FreezeStatus, PasswordChange

from accounts.models import User
from accounts.services import audit_record
from common.errors import EveError, Invalid
from common.sentences import gettext as _
from hypervisors.client import AgentClient
from hypervisors.models import HypervisorState

from . import live
from .errors import VmHostAway, WrongState
from .facts import clean_guest
from .models import Lifecycle, Vm, VmState
from .services.machines import require_host, require_operator

log = structlog.get_logger(__name__)

ASK_SECONDS = 8.0
"""What a host may take to answer: its agent gives a guest five seconds."""
AT_A_TIME = 4
"""So many guests one process asks at a time for pages and the API, so that hung ones cannot take all its threads."""
WAIT_SECONDS = 10.0
FRESH = dt.timedelta(seconds=10)
"""Everybody who asks within that time gets the same answer."""
STALE = dt.timedelta(minutes=15)
"""A guest that told its addresses is asked again by the watcher after that, …"""
SILENT = dt.timedelta(seconds=30)
"""… one that told none after this: it may be booting, …"""
BOOTING = dt.timedelta(minutes=10)
"""… for so long after its start; then it counts as one that has none."""
TICK_GUESTS, TICK_SECONDS = 10, 5.0
"""So many guests of a host, and for so long, the watcher asks at a time."""
MOST_PASSWORD = 128

_asking = threading.BoundedSemaphore(AT_A_TIME)


def guest_look(vm: Vm) -> Vm:
    """The VM with what its guest tells now, or told a moment ago.

    Raises:
        VmHostAway: its host cannot be asked, or too many guests are being asked.
        hypervisors.errors.AgentError: the host did not tell.
    """
    if vm.state != VmState.RUNNING or (vm.guest_asked_at and timezone.now() - vm.guest_asked_at < FRESH):
        return vm
    require_host(vm)
    with _turn(), AgentClient(vm.hypervisor, seconds=ASK_SECONDS) as agent:
        _ask(vm, agent)
    return vm


def guests_refresh(hypervisor_id: UUID) -> None:
    """Asks some of a host's guests again, those first that were not asked for longest. What goes wrong is for the next time."""
    now = timezone.now()
    silent = Q(guest__addresses=[]) | Q(guest={})
    is_due = (
        Q(guest_asked_at=None)
        | Q(guest_asked_at__lt=F("state_since"))
        | Q(guest_asked_at__lt=now - STALE)
        | (silent & Q(guest_asked_at__lt=now - SILENT, state_since__gt=now - BOOTING))
    )
    vms = Vm.objects.filter(
        is_due, hypervisor=hypervisor_id, state=VmState.RUNNING, hypervisor__state=HypervisorState.ONLINE
    ).exclude(lifecycle=Lifecycle.REMOVING)
    due = list(vms.select_related("hypervisor").order_by(F("guest_asked_at").asc(nulls_first=True))[:TICK_GUESTS])
    if not due:
        return
    until = time.monotonic() + TICK_SECONDS
    with AgentClient(due[0].hypervisor, seconds=ASK_SECONDS) as agent:
        for vm in due:
            if time.monotonic() > until:
                return
            try:
                _ask(vm, agent)
            except EveError as error:
                log.info("guest_not_asked", vm=str(vm.pk), why=str(error))


def guest_password_set(*, vm: Vm, user: User, account: str, password: str) -> None:
    """Has the guest's agent set the password of one of the guest's accounts. It is written down nowhere.

    Raises:
        VmNotFound, ActionNotAllowed, VmHostAway
        Invalid: the account or the password cannot be one.
        WrongState: it does not run.
        hypervisors.errors.AgentRefused: there is no agent in the guest, or it refused.
    """
    errors: dict[str, list[str]] = {}
    try:
        check_user_name(account)
    except ValueError:
        errors["account"] = [_("Letters, digits, dots, hyphens and underscores, 64 at most.")]
    if not 1 <= len(password) <= MOST_PASSWORD or not password.isprintable():
        errors["password"] = [_("1 to 128 characters that can be typed.")]
    if errors:
        raise Invalid(" ".join(words[0] for words in errors.values()), errors=errors)
    with _guest(vm, user, "vm.guest_password") as agent:
        agent.guest_password(vm.pk, PasswordChange(user=account, password=password))
    audit_record(action="vm.guest_password", actor=user, target=vm, project=vm.project, detail={"account": account})


def guest_freeze(*, vm: Vm, user: User, seconds: int) -> FreezeStatus:
    """Freezes the guest's file systems, as for a backup by other means; it thaws by itself. Raises as :func:`guest_password_set`."""
    with _guest(vm, user, "vm.guest_freeze") as agent:
        status = agent.guest_freeze(vm.pk, FreezeRequest(seconds=seconds))
    audit_record(action="vm.guest_freeze", actor=user, target=vm, project=vm.project, detail={"seconds": seconds})
    return status


def guest_thaw(*, vm: Vm, user: User) -> FreezeStatus:
    """Thaws the guest's file systems, also such as are not frozen. Raises as :func:`guest_password_set`."""
    with _guest(vm, user, "vm.guest_thaw") as agent:
        status = agent.guest_thaw(vm.pk)
    audit_record(action="vm.guest_thaw", actor=user, target=vm, project=vm.project)
    return status


@contextmanager
def _guest(vm: Vm, user: User, action: str) -> Iterator[AgentClient]:
    require_operator(user, vm, action=action)
    require_host(vm)
    if vm.state != VmState.RUNNING:
        raise WrongState(
            _("%(name)s does not run, so nobody in it can be asked. Start it first.") % {"name": vm.name},
            state=vm.state,
        )
    with _turn(), AgentClient(vm.hypervisor, seconds=ASK_SECONDS) as agent:
        yield agent


@contextmanager
def _turn() -> Iterator[None]:
    if not _asking.acquire(timeout=WAIT_SECONDS):
        raise VmHostAway(_("Many guests are being asked just now. Try again in a moment."), retry_after=5)
    try:
        yield
    finally:
        _asking.release()


def _ask(vm: Vm, agent: AgentClient) -> None:
    before = vm.guest
    if vm.guest_asked_at is None or vm.guest_asked_at < vm.state_since:
        vm.guest = {}  # told by an earlier run
    vm.guest_asked_at = timezone.now()
    try:
        vm.guest = codec.to_plain(clean_guest(agent.guest_info(vm.pk)))
    finally:
        Vm.objects.filter(pk=vm.pk).update(guest=vm.guest, guest_asked_at=vm.guest_asked_at)
    if vm.guest != before:
        live.announce([live.VmChange(vm.pk, vm.project_id, vm.hypervisor.site_id, vm.state, is_new_state=False)])
