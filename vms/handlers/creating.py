"""How a VM is made on its host: steps that each find out what an earlier try has done, and how all of it is taken back."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from eve_agent.wire.domain import StateAction

from common.sentences import gettext as _
from hypervisors.client import AgentClient
from operations.handlers import Lane, register
from operations.run import OperationRun
from vms.errors import VmNotFound
from vms.imaging import image_ensure
from vms.inventory import domain_apply
from vms.models import Lifecycle, Seed, Vm
from vms.placement import pool_of
from vms.services.creating import KIND
from vms.services.deleting import vm_gone

from . import specs
from .rights import require_still_allowed
from .seeds import seed_settle, seed_write


def vm_unmake(run: OperationRun) -> None:
    """Takes back a VM that could not be made: its domain, its disks, its seed, and then its row. What is gone already is passed over."""
    operation = run.operation
    vm = Vm.objects.select_related("hypervisor").prefetch_related("disks").filter(pk=operation.target_id).first()
    if vm is None:
        return
    run.step(
        "remove", _("Removing what was made on %(host)s") % {"host": vm.hypervisor.name}, percent=run.operation.progress
    )
    with AgentClient(vm.hypervisor) as agent:
        agent.domain_delete(vm.pk, specs.domain_delete(vm, keeps_disks=False, operation_id=operation.pk))
    vm_gone(vm=vm, keeps_disks=False, reason="not made")


@register(KIND, is_idempotent=True, undo=vm_unmake, can_cancel=True, lane=Lane.MAKING)
def vm_make(run: OperationRun) -> None:
    """Makes one. Raises what the agent's client raises, ImageNotReady, VmNotFound, ActionNotAllowed."""
    vm = vm_found(run)
    require_still_allowed(run.operation, vm)
    with AgentClient(vm.hypervisor) as agent:
        _make_disks(run, vm, agent)
        vm_finish(run, vm, agent)


def vm_found(run: OperationRun) -> Vm:
    """The operation's VM with all that it is made of. Raises VmNotFound."""
    vm = (
        Vm.objects.select_related("hypervisor", "project", "cd_image")
        .prefetch_related("disks__image", "nics")
        .filter(pk=run.operation.target_id)
        .first()
    )
    if vm is None:
        raise VmNotFound
    return vm


def _make_disks(run: OperationRun, vm: Vm, agent: AgentClient) -> None:
    operation_id = run.operation.pk
    disks = list(vm.disks.all())
    wanted = [(disk.image, disk.pool) for disk in disks if disk.image]
    if vm.cd_image:
        wanted.append((vm.cd_image, pool_of(vm)))
    for image, pool in wanted:
        run.step("image", _("Getting image %(name)s ready on the host") % {"name": image.name}, percent=5)
        image_ensure(run, agent=agent, image=image, hypervisor=vm.hypervisor, pool=pool, until_percent=40)
    run.step("disks", _("Making the disks"), percent=45)
    for disk in disks:
        agent.disk_make(disk.pool, disk.pk, specs.disk_spec(disk, operation_id=operation_id))


def vm_finish(run: OperationRun, vm: Vm, agent: AgentClient) -> None:
    """With its disks there: seed, domain, start, and that it is there."""
    operation_id, seed = run.operation.pk, Seed.objects.select_related("vm").filter(vm=vm).first()
    if seed:
        run.step("seed", _("Writing what the first boot is told"), percent=60)
        seed_write(agent, seed, operation_id=operation_id)
    run.step("define", _("Defining the virtual machine"), percent=70)
    domain = agent.domain_define(specs.domain_spec(vm, seed=seed, operation_id=operation_id))
    if run.operation.arguments.get("is_started", True):
        run.step("start", _("Starting it"), percent=85)
        domain = agent.change_state(vm.pk, StateAction.START, operation_id=str(operation_id))
    run.step("finish", _("Writing down that it is there"), percent=95)
    domain_apply(hypervisor_id=vm.hypervisor_id, domain=domain)
    _keep(vm, seed)
    run.result = {"vm": str(vm.pk)}


@transaction.atomic
def _keep(vm: Vm, seed: Seed | None) -> None:
    Vm.objects.filter(pk=vm.pk, lifecycle=Lifecycle.MAKING).update(
        lifecycle=Lifecycle.KEPT, last_seen_at=timezone.now()
    )
    if seed:
        seed_settle(seed)
