"""Takes pictures of screens by itself: after a start, at a crash, when a watchdog bites.

What is to be taken is written down when a VM's state changes, and taken a moment later by whichever process claims it: a host that hangs
holds up nobody but itself, and the picture of one that died over it is taken by another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import uuid
from functools import partial
from typing import Any, Final

import structlog
from django.conf import settings
from django.db.models import Q
from django.dispatch import receiver
from django.utils import timezone
from eve_agent.wire.domain import StateAction

from common.errors import EveError
from common.threads import DatabaseThreads, in_database_thread, with_connections
from operations.models import Operation, OperationState
from operations.signals import operation_changed
from vms.models import Vm, VmState
from vms.signals import vm_state_changed
from vms.states import WATCHDOG, kind_of

from .models import DueScreenshot, ScreenshotKind
from .timeline import screenshot_keep, take

log = structlog.get_logger(__name__)

BOOT_SECONDS: Final = (15, 90)
"""After a start: first what the firmware or the boot loader has to say, then what came of it."""
LOOK_SECONDS: Final = 2.0
CLAIM: Final = dt.timedelta(seconds=90)
"""Longer than a host may take for a picture."""
LATE: Final = dt.timedelta(minutes=5)
"""A picture that could not be taken until then would show something else."""
AT_A_TIME: Final = 4
_STARTED_FROM: Final = frozenset({VmState.OFF, VmState.CRASHED, VmState.MISSING, VmState.CREATING})
_RESTARTS: Final = frozenset({kind_of(StateAction.REBOOT), kind_of(StateAction.RESET)})

_threads = DatabaseThreads(AT_A_TIME, "pictures")
"""Of its own: hosts that hang must not hold up websockets."""


@receiver(vm_state_changed)
def on_vm_state_changed(*, vm_id: uuid.UUID, state: str, before: str = "", **_kwargs: Any) -> None:
    """A VM started, crashed, or was stopped by its watchdog. One that merely went on after a pause is no news."""
    if state == VmState.RUNNING and before in _STARTED_FROM:
        boot_pictures_ask(vm_id)
    elif state == VmState.CRASHED and before != VmState.CRASHED:
        picture_ask(vm_id, ScreenshotKind.CRASH)
    elif state == VmState.PAUSED and Vm.objects.filter(pk=vm_id, state_reason=WATCHDOG).exists():
        picture_ask(vm_id, ScreenshotKind.WATCHDOG)


@receiver(operation_changed)
def on_operation_changed(*, operation: Operation, **_kwargs: Any) -> None:
    """Eve restarted a VM: its state is what it was, so nothing else tells."""
    if operation.kind in _RESTARTS and operation.state == OperationState.SUCCEEDED and operation.target_id:
        boot_pictures_ask(operation.target_id)


def boot_pictures_ask(vm_id: uuid.UUID) -> None:
    """The VM starts now: another start before makes no pictures any more."""
    if not settings.SCREENSHOTS_PER_VM or not Vm.objects.filter(pk=vm_id).exists():
        return
    DueScreenshot.objects.filter(vm=vm_id, kind=ScreenshotKind.BOOT).delete()
    now = timezone.now()
    DueScreenshot.objects.bulk_create(
        DueScreenshot(vm_id=vm_id, kind=ScreenshotKind.BOOT, due_at=now + dt.timedelta(seconds=seconds))
        for seconds in BOOT_SECONDS
    )


def picture_ask(vm_id: uuid.UUID, kind: ScreenshotKind) -> None:
    """A picture is to be taken as soon as can be."""
    if settings.SCREENSHOTS_PER_VM and Vm.objects.filter(pk=vm_id).exists():
        DueScreenshot.objects.create(vm_id=vm_id, kind=kind, due_at=timezone.now())


def claim_due(*, but: frozenset[uuid.UUID], limit: int) -> list[DueScreenshot]:
    """Pictures that this process is to take now: one a host, none of the hosts `but`."""
    now = timezone.now()
    DueScreenshot.objects.filter(due_at__lt=now - LATE).delete()
    free = DueScreenshot.objects.filter(Q(claimed_until=None) | Q(claimed_until__lt=now), due_at__lte=now)
    claimed: dict[uuid.UUID, DueScreenshot] = {}
    for due in free.exclude(vm__hypervisor__in=but).select_related("vm__hypervisor", "vm__project")[:100]:
        host = due.vm.hypervisor_id
        if len(claimed) < limit and host not in claimed and free.filter(pk=due.pk).update(claimed_until=now + CLAIM):
            claimed[host] = due
    return list(claimed.values())


def take_due(due: DueScreenshot) -> None:
    """Takes it. One that cannot be had is let go: the next look at the machine tells why."""
    try:
        screenshot_keep(vm=due.vm, pictures=take(due.vm), kind=ScreenshotKind(due.kind))
    except EveError as error:
        log.info("no picture of a screen", vm=str(due.vm_id), at=due.kind, code=error.code, why=str(error))
        if error.retryable:
            DueScreenshot.objects.filter(pk=due.pk).update(claimed_until=timezone.now() + dt.timedelta(seconds=10))
            return
    DueScreenshot.objects.filter(pk=due.pk).delete()


async def take_forever(stop: asyncio.Event) -> None:
    """Takes what is due until `stop`, one at a time of each host."""
    running: dict[uuid.UUID, asyncio.Future[None]] = {}
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        for host in [host for host, taking in running.items() if taking.done()]:
            if fault := running.pop(host).exception():
                log.error("taking a picture of a screen failed", exc_info=fault)
        if room := AT_A_TIME - len(running):
            for due in await in_database_thread(claim_due)(but=frozenset(running), limit=room):
                work = partial(take_due, due)
                running[due.vm.hypervisor_id] = loop.run_in_executor(_threads, with_connections, work)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
