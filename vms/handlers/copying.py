"""How machines are copied on their host, and images made of their disks. The copies are jobs of the agent; each may be begun again."""

from __future__ import annotations

from uuid import UUID, uuid5

from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.jobs import JobState
from eve_agent.wire.storage import DiskSpec
from eve_agent.wire.storage import ImageCopy as CopyRequest
from eve_agent.wire.storage import ImageState as HostState

from common.sentences import gettext_lazy as _
from hypervisors.client import AgentClient
from operations.handlers import Lane, register
from operations.run import OperationRun
from vms.imaging import job_end, job_wait
from vms.models import Disk, Image, ImageCopy, Vm
from vms.services.copying import CLONE, TEMPLATE

from .creating import vm_finish, vm_found, vm_unmake
from .images import image_carry_out, image_take_back, refused
from .on_host import on_host, passing_over
from .rights import require_image_still_managed, require_still_allowed


def vm_unclone(run: OperationRun) -> None:
    """Takes back a copy that could not be made: what is half copied, and then as any machine."""
    vm = Vm.objects.select_related("hypervisor").filter(pk=run.operation.target_id).first()
    if vm is None:
        return
    with AgentClient(vm.hypervisor) as agent:
        for disk in vm.disks.all():
            job_end(agent, _job_id(run, disk))
            agent.image_delete(disk.pool, disk.pk)
    vm_unmake(run)


@register(CLONE, is_idempotent=True, undo=vm_unclone, can_cancel=True, lane=Lane.COPYING)
def vm_clone(run: OperationRun) -> None:
    """Copies each disk, then defines the machine as any new one."""
    vm = vm_found(run)
    require_still_allowed(run.operation, vm)
    with AgentClient(vm.hypervisor) as agent:
        disks = list(vm.disks.all())
        for number, disk in enumerate(disks):
            start, end = 5 + 55 * number // len(disks), 5 + 55 * (number + 1) // len(disks)
            run.step("copy", _("Copying the disks"), percent=start)
            _disk_copy(run, agent, disk, start=start, end=end)
        vm_finish(run, vm, agent)


def template_unmake(run: OperationRun) -> None:
    """Takes back what came of the image."""
    image = Image.objects.filter(pk=run.operation.arguments["image"]).first()
    if image is not None:
        image_take_back(run, image)


@register(TEMPLATE, is_idempotent=True, undo=template_unmake, can_cancel=True, lane=Lane.COPYING)
def template_make(run: OperationRun) -> None:
    """Copies the disk into an image of its project."""
    with on_host(run) as at:
        copy = ImageCopy.objects.select_related("image__project", "hypervisor").get(image_id=UUID(at.argument("image")))
        require_image_still_managed(run.operation, copy.image)
        wanted = CopyRequest(operation_id=run.operation.pk, disk_uuid=UUID(at.argument("disk")), volume="")
        run.step("copy", _("Copying the disk into an image"), percent=1)
        image_carry_out(run, copy, lambda agent: agent.image_copy(copy.pool, copy.image_id, wanted))


def _disk_copy(run: OperationRun, agent: AgentClient, disk: Disk, *, start: int, end: int) -> None:
    """The copy comes as an image with the disk's own id, which becomes the disk by one rename."""
    with passing_over(ErrorCode.VOLUME_NOT_FOUND):
        agent.disk(disk.pool, disk.pk)
        return
    source = UUID(run.operation.arguments["copies"][str(disk.pk)])
    wanted = CopyRequest(operation_id=_job_id(run, disk), disk_uuid=source, volume="")
    while agent.image_copy(disk.pool, disk.pk, wanted).state is not HostState.READY:
        job = job_wait(run, agent, wanted.operation_id, since_percent=start, until_percent=end)
        if job.state in (JobState.FAILED, JobState.CANCELLED):
            raise refused(job.problem or Problem(code=ErrorCode.UNKNOWN, message=""))
        run.progress(start)  # it is done, or the agent knows nothing of it any more: ask again
    spec = DiskSpec(size_bytes=disk.size_bytes, image_uuid=disk.pk, takes_image=True, operation_id=run.operation.pk)
    agent.disk_make(disk.pool, disk.pk, spec)


def _job_id(run: OperationRun, disk: Disk) -> UUID:
    """Each disk's copy is a job of its own."""
    return uuid5(run.operation.pk, str(disk.pk))
