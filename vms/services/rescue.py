"""Systems on a machine's disks that need help, or are to be another: asked for here, done by :mod:`vms.handlers.rescue` and :mod:`vms.handlers.reinstall`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from django.db import transaction

from accounts.models import User
from common.errors import Invalid
from common.sentences import gettext as _
from operations.models import Operation
from vms.cloudinit import SeedTexts, seed_make
from vms.errors import WrongState
from vms.images import images_usable_by
from vms.models import Image, ImageKind, ImageState, Lifecycle, Vm, VmState
from vms.selectors import boot_order_of

from .changes import change_create, vm_lock, vm_require_no_rescue
from .hardware import pool_check, vm_require_no_snapshots
from .images import image_hold
from .seeds import seed_create

RESCUE, RESCUE_END, REINSTALL = "vm.rescue", "vm.rescue_end", "vm.reinstall"


@dataclass(frozen=True, slots=True)
class NewSystem:
    """What a machine is made anew from, and what the first boot of a cloud image is told."""

    image: Image
    ssh_keys: Sequence[str] = ()
    password: str = ""
    user_data: str = ""
    network_config: str = ""


@transaction.atomic
def vm_rescue(*, vm: Vm, image: Image, user: User) -> Operation:
    """Queues that the machine is stopped and starts from an ISO, with its disks attached.

    Raises:
        Invalid: there is no such ISO for its project at its site.
        WrongState: it runs a rescue system already.
        what :func:`vms.services.changes.vm_lock` raises.
        operations.errors.OperationRunning: another change of it is under way.
    """
    vm = vm_lock(vm=vm, user=user, action=RESCUE)
    vm_require_no_rescue(vm)
    _require_usable(vm, image, user, kinds=[ImageKind.ISO])
    image_hold(image)
    before = {"cd_image": str(vm.cd_image_id) if vm.cd_image_id else None, "boot_devices": boot_order_of(vm)}
    operation = change_create(kind=RESCUE, vm=vm, user=user, image=str(image.pk), before=before, was_on=_is_on(vm))
    Vm.objects.filter(pk=vm.pk).update(rescue=before, cd_image=image)
    return operation


@transaction.atomic
def vm_rescue_end(*, vm: Vm, user: User) -> Operation:
    """Queues that the machine is stopped and starts from what it started from before. Raises as :func:`vm_rescue`."""
    vm = vm_lock(vm=vm, user=user, action=RESCUE_END)
    if not vm.rescue:
        raise WrongState(_("%(name)s does not run a rescue system.") % {"name": vm.name}, state=vm.state)
    return change_create(kind=RESCUE_END, vm=vm, user=user)


@transaction.atomic
def vm_reinstall(*, vm: Vm, wanted: NewSystem, user: User) -> Operation:
    """Queues another first disk: of a cloud image, or empty with an ISO in the drive. The machine, its cards and other disks stay.

    Raises:
        Invalid: there is no such image for its project at its site, it is larger than the disk, or a text is not what it has to be.
        ImageNotReady, NoRoom
        WrongState: it has snapshots, no disk, or runs a rescue system.
        what :func:`vms.services.changes.vm_lock` raises.
        operations.errors.OperationRunning: another change of it is under way.
    """
    vm = vm_lock(vm=vm, user=user, action=REINSTALL)
    vm_require_no_snapshots(vm)
    vm_require_no_rescue(vm)
    image, first = wanted.image, vm.disks.first()
    if first is None:
        raise WrongState(_("%(name)s has no disk. Add one first.") % {"name": vm.name}, state=vm.state)
    _require_usable(vm, image, user, kinds=[ImageKind.CLOUD, ImageKind.ISO])
    image_hold(image)
    seed = _seed(vm, wanted)
    size_bytes = first.size_bytes
    if image.kind == ImageKind.CLOUD and size_bytes < image.virtual_bytes:
        detail = _("Image %(name)s needs a disk of %(least)d MiB at least. Make the first disk larger.") % {
            "name": image.name,
            "least": -(-image.virtual_bytes // 2**20),
        }
        raise Invalid(detail, errors={"image": [detail]})
    pool_check(vm, first.pool, size_bytes)
    disk_id = uuid4()
    operation = change_create(
        kind=REINSTALL,
        vm=vm,
        user=user,
        image=str(image.pk),
        disk=str(disk_id),
        former={
            "id": str(first.pk),
            "pool": first.pool,
            "size_bytes": size_bytes,
            "bus": first.bus,
            "image": str(first.image_id) if first.image_id else None,
            "cd_image": str(vm.cd_image_id) if vm.cd_image_id else None,
            "boot_devices": vm.boot_devices,
        },
        was_on=_is_on(vm),
    )
    if seed:
        seed_create(vm=vm, texts=seed, instance=disk_id, pool=first.pool)
    Vm.objects.filter(pk=vm.pk).update(lifecycle=Lifecycle.MAKING)
    return operation


def _is_on(vm: Vm) -> bool:
    return vm.state not in (VmState.OFF, VmState.CRASHED)


def _seed(vm: Vm, wanted: NewSystem) -> SeedTexts | None:
    if wanted.image.kind == ImageKind.CLOUD:
        return seed_make(
            host_name=vm.name,
            ssh_keys=wanted.ssh_keys,
            password=wanted.password,
            user_data=wanted.user_data,
            network_config=wanted.network_config,
        )
    if wanted.ssh_keys or wanted.password or wanted.user_data or wanted.network_config:
        raise Invalid(_("SSH keys, password and user-data are for cloud images: choose one, or leave them out."))
    return None


def _require_usable(vm: Vm, image: Image, user: User, *, kinds: Sequence[str]) -> None:
    usable = images_usable_by(user, vm.project).filter(
        pk=image.pk, kind__in=kinds, site_id=vm.hypervisor.site_id, state=ImageState.READY
    )
    if not usable.exists():
        detail = _("There is no such image for project %(name)s at its site.") % {"name": vm.project.name}
        raise Invalid(detail, errors={"image": [detail]})
