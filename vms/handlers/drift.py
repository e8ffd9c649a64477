"""How a machine gets again what is agreed, on its host. Each step looks first, so that a second try finds what is left to do."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from eve_agent.wire.domain import Domain
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.spec import BootOrder, DiskSize, DomainSpec, ResourcesChange

from common.sentences import gettext as _
from common.sentences import ngettext
from hypervisors.errors import AgentRefused
from operations.handlers import Lane, register
from operations.run import OperationRun
from vms.comparing import Difference, DifferenceKind, compared
from vms.drift import RESTORE
from vms.errors import NotRestored
from vms.facts import domain_of
from vms.imaging import image_ensure
from vms.models import Disk, Nic, Seed, Vm
from vms.placement import pool_of

from . import specs
from .on_host import OnHost, on_host
from .seeds import seed_write_later
from .snapshots import snapshots_look


@register(RESTORE, is_idempotent=True, lane=Lane.MAKING)
def restore(run: OperationRun) -> None:
    """Defines it again where it is gone, then mends what differs. What cannot be mended is said; the rest is."""
    with on_host(run, by_managers=True) as at:
        run.step("look", _("Looking at what the host has"), percent=5)
        domain = _there(at)
        if lost := snapshots_look(at):
            run.result = {"snapshots_lost": lost}
        run.step("resources", _("Changing vCPUs and memory"), percent=40)
        _resources(at, domain)
        run.step("devices", _("Restoring disks and network cards"), percent=60)
        differences = [Difference.of(plain) for plain in compared(at.vm, domain)]
        left = [words for difference in differences if (words := _tried(at, difference))]
        at.saw(at.agent.domain(at.vm.pk))
        if left:
            raise NotRestored(" ".join(left))


def _there(at: OnHost) -> Domain:
    """The domain, defined again where the host does not have it any more."""
    try:
        return at.agent.domain(at.vm.pk)
    except AgentRefused as refusal:
        if refusal.agent_code is not ErrorCode.DOMAIN_NOT_FOUND or not at.vm.is_made_by_eve:
            raise
    vm, operation_id = at.vm, at.run.operation.pk
    disks = list(vm.disks.all())
    _require_volumes(at, disks)
    if vm.cd_image:
        at.run.step("image", _("Getting image %(name)s ready on the host") % {"name": vm.cd_image.name}, percent=10)
        image_ensure(
            at.run, agent=at.agent, image=vm.cd_image, hypervisor=vm.hypervisor, pool=pool_of(vm), until_percent=25
        )
    at.run.step("define", _("Defining the virtual machine"), percent=30)
    seed = Seed.objects.select_related("vm").filter(vm=vm).first()
    if seed:
        seed_write_later(at.agent, seed, operation_id=operation_id)
    domain = at.agent.domain_define(_former(vm, specs.domain_spec(vm, seed=seed, operation_id=operation_id)))
    if vm.boot_devices:
        order = BootOrder(devices=tuple(vm.boot_devices), operation_id=operation_id)
        domain = at.agent.boot_order_set(vm.pk, order)
    return domain


def _former(vm: Vm, spec: DomainSpec) -> DomainSpec:
    """By the name that it had in libvirt, whatever it is called in Eve since: libvirt finds a UEFI's variables by it."""
    domain = domain_of(vm.facts)
    if domain is None or not domain.name.endswith(vm.domain_name.removeprefix(vm.name)):
        return spec
    return replace(spec, name=domain.name)


def _require_volumes(at: OnHost, disks: list[Disk]) -> None:
    gone = []
    for disk in disks:
        try:
            at.agent.disk(disk.pool, disk.pk)
        except AgentRefused as refusal:
            if refusal.agent_code is not ErrorCode.VOLUME_NOT_FOUND:
                raise
            gone.append(f"{disk.pk}.qcow2 ({disk.pool})")
    if gone:
        raise NotRestored(
            ngettext(
                "A disk of it is not in its pool any more: %(files)s. Put the file back, then try again; or forget the machine.",
                "%(count)d disks of it are not in their pools any more: %(files)s. Put the files back, then try again; or forget the machine.",
                len(gone),
            )
            % {"count": len(gone), "files": ", ".join(gone)}
        )


def _resources(at: OnHost, domain: Domain) -> None:
    """At once as far as the running guest takes it, the rest at its next start."""
    vm, then = at.vm, domain.next_start or domain
    if (then.vcpus, then.memory_bytes) == (vm.vcpus, vm.memory_bytes):
        return
    change = specs.resources_change(vm.vcpus, vm.memory_bytes, operation_id=at.run.operation.pk)
    if not vm.is_made_by_eve:  # the room that it has is not Eve's to choose
        change = ResourcesChange(vcpus=vm.vcpus, memory_bytes=vm.memory_bytes, operation_id=at.run.operation.pk)
    at.agent.resources_change(vm.pk, change)


def _tried(at: OnHost, difference: Difference) -> str:
    """Why it could not be mended; empty where it was."""
    try:
        return _mended(at, difference)
    except AgentRefused as refusal:
        return f"{difference.name or difference.device}: {refusal.detail}"


def _mended(at: OnHost, difference: Difference) -> str:
    operation_id, agent, vm_id, device = at.run.operation.pk, at.agent, at.vm.pk, difference.device
    match difference.kind:
        case DifferenceKind.DISK_GONE:
            disk = at.vm.disks.get(pk=device)
            agent.disk_attach(vm_id, specs.disk_slot(disk, operation_id=operation_id))
        case DifferenceKind.DISK_SIZE if difference.seen_bytes > difference.agreed_bytes:
            return _("Disk %(name)s is larger than agreed, and no disk is made smaller: accept it.") % {
                "name": difference.name
            }
        case DifferenceKind.DISK_SIZE:
            agent.disk_grow(
                vm_id, UUID(device), DiskSize(size_bytes=difference.agreed_bytes, operation_id=operation_id)
            )
        case DifferenceKind.DISK_ADDED if not _is_uuid(device):
            return _("Disk %(name)s was not made by Eve: take it away with the tools that added it, or accept it.") % {
                "name": difference.name
            }
        case DifferenceKind.DISK_ADDED:
            agent.disk_detach(vm_id, UUID(device), operation_id=operation_id)
        case DifferenceKind.NIC_GONE:
            nic = Nic.objects.get(vm=at.vm, mac=device)
            agent.nic_attach(vm_id, specs.nic_slot(nic, operation_id=operation_id))
        case DifferenceKind.NIC_ADDED:
            agent.nic_detach(vm_id, device, operation_id=operation_id)
    return ""


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
