"""What differs between Eve and libvirt: staff accept it, or have it restored by :mod:`vms.handlers.drift`. Nothing is mended by itself."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Max

from accounts.models import User
from accounts.services import audit_record
from common.sentences import gettext as _
from operations.models import Operation
from vms import live
from vms.comparing import Difference, DifferenceKind, compared, differences_of
from vms.disks import disks_keep
from vms.drift import RESTORE
from vms.errors import VmNotFound, WrongState
from vms.facts import domain_of
from vms.models import Disk, Nic, NicKind, NicModel, Vm, VmState

from .changes import change_create, is_busy
from .machines import require_host, require_managed


@transaction.atomic
def vm_accept_drift(*, vm: Vm, user: User) -> Vm:
    """What the host has is what is agreed from now on. A disk that it no longer has is kept in the project.

    Raises:
        VmNotFound: the user does not manage its host.
        WrongState: Eve changes it just now.
    """
    require_managed(user, vm)
    vm = _locked(vm)
    before = _agreed(vm)
    vm.vcpus = vm.vcpus if vm.seen_vcpus is None else vm.seen_vcpus
    vm.memory_bytes = vm.memory_bytes if vm.seen_memory_bytes is None else vm.seen_memory_bytes
    accepted = differences_of(vm)
    for difference in accepted:
        _accept(vm, difference)
    # What comes or goes at the next start only is not told once more for being otherwise until then.
    waiting = [each.device for each in accepted if each.is_pending and each.device not in vm.accepted_devices]
    vm.accepted_devices = [*vm.accepted_devices, *waiting]
    domain = domain_of(vm.facts)
    vm.differences = compared(vm, domain) if domain else []
    vm.save(update_fields=["vcpus", "memory_bytes", "differences", "accepted_devices"])
    devices = [f"{difference.kind} {difference.device}" for difference in accepted]
    audit_record(
        action="vm.accept_drift",
        actor=user,
        target=vm,
        project=vm.project,
        detail={"before": before, "after": _agreed(vm), **({"devices": devices} if devices else {})},
    )
    change = live.VmChange(vm.pk, vm.project_id, vm.hypervisor.site_id, vm.state, is_new_state=False)
    live.announce([change])
    return vm


@transaction.atomic
def vm_restore(*, vm: Vm, user: User) -> Operation:
    """Queues that the host gets again what is agreed: size, disks, cards; a machine that is gone there is defined anew.

    Raises:
        VmNotFound: the user does not manage its host.
        VmHostAway: its host cannot be asked.
        WrongState: nothing differs, or Eve does not know how it was made.
        operations.errors.OperationRunning: another change of it is under way.
    """
    require_managed(user, vm)
    vm = Vm.objects.select_for_update(of=("self",)).select_related("project", "hypervisor").get(pk=vm.pk)
    require_host(vm)
    if vm.state == VmState.MISSING and not vm.is_made_by_eve:
        raise WrongState(
            _(
                "%(name)s was not made by Eve, which does not know all of it. Define it again with the tools that made it."
            )
            % {"name": vm.name},
            state=vm.state,
        )
    if vm.state != VmState.MISSING and not vm.is_other:
        raise WrongState(_("%(name)s is as agreed. Nothing was done.") % {"name": vm.name}, state=vm.state)
    return change_create(kind=RESTORE, vm=vm, user=user)


def _locked(vm: Vm) -> Vm:
    locked = Vm.objects.select_for_update(of=("self",)).select_related("project", "hypervisor").filter(pk=vm.pk).first()
    if locked is None:
        raise VmNotFound
    if is_busy(locked):
        raise WrongState(
            _("A change of %(name)s is under way. Wait until it has ended, then try again.") % {"name": vm.name},
            state=locked.state,
        )
    return locked


def _agreed(vm: Vm) -> dict[str, int]:
    return {"vcpus": vm.vcpus, "memory_bytes": vm.memory_bytes}


def _accept(vm: Vm, difference: Difference) -> None:
    match difference.kind:
        case DifferenceKind.DISK_GONE:
            disks_keep(vm.disks.filter(pk=difference.device), name=vm.name)
        case DifferenceKind.DISK_SIZE:
            vm.disks.filter(pk=difference.device).update(size_bytes=difference.seen_bytes)
        case DifferenceKind.NIC_GONE:
            vm.nics.filter(mac=difference.device).delete()
        case DifferenceKind.DISK_ADDED if _take_in_disk(vm, difference):
            pass
        case DifferenceKind.NIC_ADDED if _take_in_nic(vm, difference.device):
            pass
        case _:
            vm.accepted_devices = [*vm.accepted_devices, difference.device]


def _take_in_disk(vm: Vm, difference: Difference) -> bool:
    """Whether it is a kept disk of the project's, which is the VM's now."""
    try:
        disk_id = UUID(difference.device)
    except ValueError:
        return False
    last = vm.disks.aggregate(last=Max("position"))["last"]
    return bool(
        Disk.objects.filter(pk=disk_id, vm=None, project=vm.project, hypervisor=vm.hypervisor).update(
            vm=vm, position=0 if last is None else last + 1, kept_from="", kept_since=None
        )
    )


def _take_in_nic(vm: Vm, mac: str) -> bool:
    """Whether Eve can look after the card, and does from now on."""
    domain = domain_of(vm.facts)
    cards = [*domain.nics, *(domain.next_nics or ())] if domain else []
    seen = next((nic for nic in cards if nic.mac.lower() == mac), None)
    if seen is None or seen.kind not in NicKind.values or not seen.source or Nic.objects.filter(mac=mac).exists():
        return False
    Nic.objects.create(
        vm=vm,
        mac=mac,
        kind=seen.kind,
        source=seen.source,
        model=seen.model if seen.model in NicModel.values else NicModel.VIRTIO,
        position=vm.nics.count(),
    )
    return True
