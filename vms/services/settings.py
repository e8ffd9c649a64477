"""What a machine is called, whether it starts with its host, and what it boots from: asked for here, done on its host by :mod:`vms.handlers.settings`."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction

from accounts.models import User
from common.errors import Invalid
from common.sentences import gettext as _
from operations.models import Operation
from vms.errors import NameTaken
from vms.facts import CDROM
from vms.models import Vm

from .changes import change_create, vm_lock, vm_require_no_rescue
from .creating import name_check

SETTINGS, BOOT = "vm.settings", "vm.boot"


@transaction.atomic
def vm_configure(*, vm: Vm, user: User, name: str | None = None, is_autostarted: bool | None = None) -> Operation:
    """Queues another name, and whether it starts with its host; None leaves it as it is. Eve calls it so at once.

    Raises:
        Invalid: the name is no host name.
        NameTaken, and what :func:`vms.services.changes.vm_lock` raises.
        operations.errors.OperationRunning: another change of it is under way.
    """
    vm = vm_lock(vm=vm, user=user, action=SETTINGS)
    wanted = {
        "name": vm.name if name is None else name,
        "is_autostarted": vm.is_autostarted if is_autostarted is None else is_autostarted,
    }
    if wanted["name"] != vm.name:
        name_check(str(wanted["name"]))
    operation = change_create(
        kind=SETTINGS, vm=vm, user=user, before={"name": vm.name, "is_autostarted": vm.is_autostarted}, **wanted
    )
    try:
        with transaction.atomic():
            Vm.objects.filter(pk=vm.pk).update(**wanted)
    except IntegrityError:
        raise name_taken(vm, str(wanted["name"])) from None
    return operation


@transaction.atomic
def boot_order_set(*, vm: Vm, user: User, devices: Sequence[str]) -> Operation:
    """Queues what it boots from, from its next start on: ids of disks, MAC addresses, ``cdrom``, the first first.

    Raises:
        Invalid: none, one of them twice, or one that it does not have.
        what :func:`vm_configure` raises.
    """
    vm = vm_lock(vm=vm, user=user, action=BOOT)
    vm_require_no_rescue(vm)
    wanted = [device.strip().lower() for device in devices]
    known = {CDROM, *(str(disk.pk) for disk in vm.disks.all()), *(nic.mac for nic in vm.nics.all())}
    if not wanted or len(set(wanted)) != len(wanted) or not known.issuperset(wanted):
        detail = _("Name one or more of its disks and network cards, or cdrom, each once.")
        raise Invalid(detail, errors={"devices": [detail]})
    return change_create(kind=BOOT, vm=vm, user=user, devices=wanted)


def name_taken(vm: Vm, name: str) -> NameTaken:
    """That another VM of its project is called so."""
    return NameTaken(
        _("Project %(project)s has a virtual machine called %(name)s already. Choose another name.")
        % {"project": vm.project.name, "name": name}
    )
