"""How disks leave and enter machines on their host, and how kept ones are deleted."""

from __future__ import annotations

from uuid import UUID

from eve_agent.wire.errors import ErrorCode

from common.sentences import gettext_lazy as _
from hypervisors.client import AgentClient
from operations.handlers import register
from operations.run import OperationRun
from vms.disks import disks_keep
from vms.models import Disk
from vms.services.disks import ATTACH, DELETE, DETACH

from . import specs
from .on_host import OnHost, on_host, passing_over, undone_on_host
from .rights import require_disk_still_allowed


@register(DETACH, is_idempotent=True)
def disk_detach(run: OperationRun) -> None:
    """A disk less for the machine; its bytes stay. Eve's row follows once the host has let go."""
    with on_host(run) as at:
        run.step("detach", _("Taking the disk away"), percent=20)
        _let_go(at)
        run.result = {"disk": at.argument("disk")}


def disk_unattach(run: OperationRun) -> None:
    """Takes back a disk that could not be attached: it is kept, as before."""
    with undone_on_host(run) as at:
        if at is not None:
            run.step("detach", _("Removing what was begun"), percent=run.operation.progress)
            _let_go(at)


@register(ATTACH, is_idempotent=True, undo=disk_unattach)
def disk_attach(run: OperationRun) -> None:
    """A kept disk for the machine."""
    with on_host(run) as at:
        disk = Disk.objects.get(pk=at.argument("disk"))
        run.step("attach", _("Adding it to the machine"), percent=20)
        at.saw(at.agent.disk_attach(at.vm.pk, specs.disk_slot(disk, operation_id=run.operation.pk)))
        Disk.objects.filter(pk=disk.pk).update(kept_from="", kept_since=None)
        run.result = {"disk": str(disk.pk)}


@register(DELETE, is_idempotent=True)
def disk_delete(run: OperationRun) -> None:
    """A kept disk less. The agent refuses while a domain has it."""
    disk = Disk.objects.select_related("project", "hypervisor").filter(pk=run.operation.target_id, vm=None).first()
    if disk is None:
        return
    require_disk_still_allowed(run.operation, disk)
    run.step("delete", _("Deleting the disk"), percent=20)
    with AgentClient(disk.hypervisor) as agent, passing_over(ErrorCode.VOLUME_NOT_FOUND):
        agent.disk_delete(disk.pool, disk.pk)
    disk.delete()


def _let_go(at: OnHost) -> None:
    disks = Disk.objects.filter(pk=at.argument("disk"), vm=at.vm)
    with passing_over(ErrorCode.DEVICE_NOT_FOUND, ErrorCode.DOMAIN_NOT_FOUND):
        at.saw(at.agent.disk_detach(at.vm.pk, UUID(at.argument("disk")), operation_id=at.run.operation.pk))
    disks.exclude(kept_since=None).update(vm=None, position=0)  # it was attached for a moment only
    disks_keep(disks, name=at.vm.name)
