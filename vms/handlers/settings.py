"""How a machine's name, its start with the host and its boot order get to the host."""

from __future__ import annotations

from contextlib import suppress

from django.db import IntegrityError, transaction
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.spec import AutostartChange, BootOrder, TitleChange

from common.sentences import gettext_lazy as _
from operations.handlers import register
from operations.run import OperationRun
from vms.models import Disk, Vm
from vms.services.settings import BOOT, SETTINGS

from .on_host import OnHost, on_host, passing_over, undone_on_host


def unconfigure(run: OperationRun) -> None:
    """It is called as before, in Eve and on its host. A name that another has been given meanwhile is not taken back."""
    vms, before = Vm.objects.filter(pk=run.operation.target_id), run.operation.arguments["before"]
    vms.update(is_autostarted=before["is_autostarted"])
    with suppress(IntegrityError), transaction.atomic():
        vms.update(name=before["name"])
    with undone_on_host(run) as at:
        if at is not None:
            with passing_over(ErrorCode.DOMAIN_NOT_FOUND):
                _tell(at)


@register(SETTINGS, is_idempotent=True, undo=unconfigure)
def configure(run: OperationRun) -> None:
    """Tells its host what Eve calls it, and whether it starts with it."""
    with on_host(run) as at:
        run.step("settings", _("Telling its host"), percent=20)
        _tell(at)


@register(BOOT, is_idempotent=True)
def boot_order(run: OperationRun) -> None:
    """What it boots from. Eve's rows follow once the host has it: the first disk is the one that it boots from."""
    with on_host(run) as at:
        run.step("boot", _("Changing what it boots from"), percent=20)
        devices = tuple(run.operation.arguments["devices"])
        domain = at.agent.boot_order_set(at.vm.pk, BootOrder(devices=devices, operation_id=run.operation.pk))
        _agree(at.vm, devices)
        at.saw(domain)


def _tell(at: OnHost) -> None:
    operation_id = at.run.operation.pk
    at.agent.title_set(at.vm.pk, TitleChange(title=at.vm.name, operation_id=operation_id))
    autostart = AutostartChange(is_autostarted=at.vm.is_autostarted, operation_id=operation_id)
    at.saw(at.agent.autostart_set(at.vm.pk, autostart))


@transaction.atomic
def _agree(vm: Vm, devices: tuple[str, ...]) -> None:
    Vm.objects.filter(pk=vm.pk).update(boot_devices=devices)
    places = {device: place for place, device in enumerate(devices)}
    disks = sorted(vm.disks.select_for_update(), key=lambda disk: places.get(str(disk.pk), len(places)))
    for position, disk in enumerate(disks):
        disk.position = position
    Disk.objects.bulk_update(disks, ["position"])
