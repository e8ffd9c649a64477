"""Seeds of machines: written down here, put on their hosts by :mod:`vms.handlers.seeds`."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from operations.errors import OperationRunning
from operations.services import operation_create
from vms.cloudinit import SeedTexts
from vms.models import Lifecycle, Seed, Vm, VmState

END = "vm.seed_end"
ANSWERING = dt.timedelta(minutes=10)
"""cloud-init reads its disc in the first seconds of a boot. A first boot is over once the guest ran for so long and its agent answers, …"""
SILENT = dt.timedelta(hours=1)
"""… or it ran for so long, with an agent or without, …"""
AT_LAST = dt.timedelta(days=7)
"""… or it is off, was seen running, and its seed is so old."""
AGAIN = dt.timedelta(days=1)
"""An exchange that failed is tried again after that."""
AT_A_TIME = 5
"""So many of a host's seeds are exchanged at a time."""


def seed_create(*, vm: Vm, texts: SeedTexts, instance: UUID, pool: str) -> Seed:
    """Writes down what cloud-init in the VM is to be told."""
    return Seed.objects.create(
        pk=instance,
        vm=vm,
        pool=pool,
        user_data=texts.user_data,
        network_config=texts.network_config,
        later_user_data=texts.later_user_data,
    )


def seeds_end(*, hypervisor_id: UUID) -> int:
    """Queues that discs of a host whose machines' first boot is over are exchanged for such without secrets. Returns how many."""
    due = _due().filter(vm__hypervisor=hypervisor_id).select_related("vm__project")
    queued = 0
    for seed in due.order_by("written_at")[:AT_A_TIME]:
        with suppress(OperationRunning), transaction.atomic():  # another change of it: next time
            operation_create(kind=END, target=seed.vm, project=seed.vm.project, user=None)
            Seed.objects.filter(pk=seed.pk).update(tried_at=timezone.now())
            queued += 1
    return queued


def _due() -> QuerySet[Seed]:
    now = timezone.now()
    is_running = Q(vm__state=VmState.RUNNING)
    has_agent = Q(vm__guest__has_agent=True, vm__guest_asked_at__gt=F("vm__state_since"))
    is_over = (
        is_running & Q(vm__state_since__lt=now - SILENT)
        | is_running & has_agent & Q(vm__state_since__lt=now - ANSWERING)
        | Q(vm__state=VmState.OFF, written_at__lt=now - AT_LAST) & ~Q(vm__guest_asked_at=None)
    )
    is_turn = Q(tried_at=None) | Q(tried_at__lt=now - AGAIN)
    return Seed.objects.filter(is_over, is_turn, is_over=False, vm__lifecycle=Lifecycle.KEPT).exclude(written_at=None)
