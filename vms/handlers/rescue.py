"""How a machine starts from a rescue system, with its disks attached, and from its own again."""

from __future__ import annotations

from collections.abc import Sequence

from eve_agent.wire.domain import StateAction
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.spec import BootOrder, CdromSlot

from common.sentences import gettext_lazy as _
from operations.handlers import Lane, register
from operations.run import OperationRun
from vms.facts import CDROM
from vms.imaging import image_ensure
from vms.models import Image, Vm
from vms.placement import pool_of
from vms.services.rescue import RESCUE, RESCUE_END

from .on_host import OnHost, on_host, passing_over, undone_on_host


def unrescue(run: OperationRun) -> None:
    """It boots from what it booted from, and runs if it ran."""
    before = run.operation.arguments["before"]
    with undone_on_host(run) as at:
        if at is None:
            return
        image = _image(before["cd_image"])
        with passing_over(ErrorCode.DOMAIN_NOT_FOUND):
            _set(at, image, before["boot_devices"])
            if run.operation.arguments["was_on"]:
                _power(at, StateAction.START)
        Vm.objects.filter(pk=at.vm.pk).update(rescue={}, cd_image=image)


@register(RESCUE, is_idempotent=True, undo=unrescue, can_cancel=True, lane=Lane.MAKING)
def rescue(run: OperationRun) -> None:
    """Stops it, and starts it from an ISO."""
    with on_host(run) as at:
        image = Image.objects.get(pk=at.argument("image"))
        run.step("image", _("Getting image %(name)s ready on the host") % {"name": image.name}, percent=5)
        pool = pool_of(at.vm)
        image_ensure(run, agent=at.agent, image=image, hypervisor=at.vm.hypervisor, pool=pool, until_percent=60)
        disks = [str(disk.pk) for disk in at.vm.disks.all()]
        run.step("stop", _("Stopping it"), percent=65)
        _power(at, StateAction.STOP)
        run.step("boot", _("Putting the rescue system in front"), percent=75)
        _set(at, image, [CDROM, *disks])
        run.step("start", _("Starting it"), percent=85, is_final=True)
        _power(at, StateAction.START)


@register(RESCUE_END, is_idempotent=True, can_cancel=True)
def rescue_end(run: OperationRun) -> None:
    """Stops it, and starts it from what it started from before. That is forgotten once it is done."""
    with on_host(run) as at:
        before = at.vm.rescue
        if not before:
            return
        image = _image(before["cd_image"])
        pool = pool_of(at.vm)
        if image:
            run.step("image", _("Getting image %(name)s ready on the host") % {"name": image.name}, percent=5)
            image_ensure(run, agent=at.agent, image=image, hypervisor=at.vm.hypervisor, pool=pool, until_percent=60)
        run.step("stop", _("Stopping it"), percent=65, is_final=True)
        _power(at, StateAction.STOP)
        run.step("boot", _("Putting its own system in front"), percent=75)
        _set(at, image, before["boot_devices"])
        run.step("start", _("Starting it"), percent=85)
        _power(at, StateAction.START)
        Vm.objects.filter(pk=at.vm.pk).update(rescue={}, cd_image=image)


def _set(at: OnHost, image: Image | None, devices: Sequence[str]) -> None:
    operation_id = at.run.operation.pk
    slot = CdromSlot(
        pool=pool_of(at.vm) if image else "", image_uuid=image.pk if image else None, operation_id=operation_id
    )
    at.agent.cdrom_change(at.vm.pk, slot)
    there = {CDROM, *(str(pk) for pk in at.vm.disks.values_list("pk", flat=True))}
    there |= set(at.vm.nics.values_list("mac", flat=True))
    order = tuple(device for device in devices if device in there)  # some may have gone meanwhile
    at.saw(at.agent.boot_order_set(at.vm.pk, BootOrder(devices=order, operation_id=operation_id)))


def _power(at: OnHost, action: StateAction) -> None:
    at.saw(at.agent.change_state(at.vm.pk, action, operation_id=str(at.run.operation.pk)))


def _image(image_id: str | None) -> Image | None:
    """None also for one that was deleted meanwhile."""
    return Image.objects.filter(pk=image_id).first() if image_id else None
