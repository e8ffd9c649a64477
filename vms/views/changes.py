"""A machine's hardware and snapshots on their pages, and the forms there."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.callers import caller
from accounts.models import User
from common.errors import EveError
from common.pages import is_part, uuid_of
from common.sentences import gettext as _
from vms.cards import card_for
from vms.disks import attachable_disks
from vms.images import discs_for
from vms.models import Nic, Vm
from vms.networks import plugs_for
from vms.placement import pools_of
from vms.quotas import shares_of
from vms.services import (
    NewNic,
    cd_change,
    disk_add,
    disk_attach,
    disk_detach,
    disk_grow,
    disk_remove,
    nic_add,
    nic_remove,
    snapshot_delete,
    snapshot_make,
    snapshot_revert,
    vm_resize,
)
from vms.trees import tree_of

from .gone import tells_its_end
from .parts import page_context, vm_or_404

GIB, MIB = 2**30, 2**20
_OPERATIONS: dict[str, Callable[[HttpRequest, Vm, User], object]] = {}


@login_required
@never_cache
@require_safe
@tells_its_end
def vm_hardware(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """What it is made of, and how that is changed."""
    vm = vm_or_404(request, vm_id)
    user = caller(request)
    context = {
        **page_context(request, nav="vms"),
        "vm": vm,
        "card": card_for(user, vm),
        "tab": "hardware",
        "memory_gib": f"{Decimal(vm.memory_bytes) / GIB:f}",
        "disks": list(vm.disks.select_related("image")),
        "kept_disks": attachable_disks(vm) if vm.is_made_by_eve else (),
        "nics": list(vm.nics.all()),
        "plugs": plugs_for(user, [vm.hypervisor]),
        "pools": pools_of([vm.hypervisor]),
        "isos": discs_for(user, vm),
        "has_snapshots": vm.snapshots.exists(),
    }
    return render(request, "vms/parts/hardware.html" if is_part(request) else "vms/hardware.html", context)


@login_required
@never_cache
@require_safe
@tells_its_end
def vm_snapshots(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Its snapshots as a tree."""
    vm = vm_or_404(request, vm_id)
    context = {
        **page_context(request, nav="vms"),
        "vm": vm,
        "card": card_for(caller(request), vm),
        "tab": "snapshots",
        "tree": tree_of(vm.snapshots.select_related("created_by")),
        "share": next(share for share in shares_of(vm.project) if share.name == "snapshots"),
    }
    return render(request, "vms/parts/snapshots.html" if is_part(request) else "vms/snapshots.html", context)


@login_required
@require_POST
def vm_change(request: HttpRequest, vm_id: UUID, what: str) -> HttpResponse:
    """One change, as its form on the page asks for it; back to that page, where one sees how it goes."""
    vm = vm_or_404(request, vm_id)
    change = _OPERATIONS.get(what)
    if change is None:
        raise Http404
    try:
        change(request, vm, caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
    except _NoNumber:
        messages.error(request, _("Nothing was changed. Give a number."))
    return redirect("vm-snapshots" if what.startswith("snapshot") else "vm-hardware", vm_id=vm_id)


class _NoNumber(Exception):
    """What was typed is no number."""


def _change(name: str) -> Callable[[Any], Any]:
    def add(function: Callable[[HttpRequest, Vm, User], object]) -> Any:
        _OPERATIONS[name] = function
        return function

    return add


@_change("resources")
def _resources(request: HttpRequest, vm: Vm, user: User) -> object:
    memory_bytes = _amount(request, "memory_gib")
    return vm_resize(vm=vm, user=user, vcpus=_amount(request, "vcpus", unit=1), memory_bytes=memory_bytes)


@_change("disk-add")
def _disk_add(request: HttpRequest, vm: Vm, user: User) -> object:
    return disk_add(vm=vm, user=user, size_bytes=_amount(request, "size_gib"), pool=request.POST.get("pool", ""))


@_change("disk-grow")
def _disk_grow(request: HttpRequest, vm: Vm, user: User) -> object:
    return disk_grow(disk=_row(request, vm.disks), user=user, size_bytes=_amount(request, "size_gib"))


@_change("disk-remove")
def _disk_remove(request: HttpRequest, vm: Vm, user: User) -> object:
    return disk_remove(disk=_row(request, vm.disks), user=user)


@_change("disk-detach")
def _disk_detach(request: HttpRequest, vm: Vm, user: User) -> object:
    return disk_detach(disk=_row(request, vm.disks), user=user)


@_change("disk-attach")
def _disk_attach(request: HttpRequest, vm: Vm, user: User) -> object:
    disk = get_object_or_404(attachable_disks(vm), pk=uuid_of(request.POST.get("id", "")))
    return disk_attach(vm=vm, disk=disk, user=user)


@_change("nic-add")
def _nic_add(request: HttpRequest, vm: Vm, user: User) -> object:
    kind, _colon, source = request.POST.get("plug", "").partition(":")
    return nic_add(vm=vm, user=user, wanted=NewNic(source=source, kind=kind))


@_change("nic-remove")
def _nic_remove(request: HttpRequest, vm: Vm, user: User) -> object:
    nic: Nic = get_object_or_404(vm.nics.select_related("vm__project"), mac=request.POST.get("mac", ""))
    return nic_remove(nic=nic, user=user)


@_change("cd")
def _cd(request: HttpRequest, vm: Vm, user: User) -> object:
    wanted = uuid_of(request.POST.get("image", ""))
    image = get_object_or_404(discs_for(user, vm), pk=wanted) if wanted else None
    return cd_change(vm=vm, user=user, image=image)


@_change("snapshot-make")
def _snapshot_make(request: HttpRequest, vm: Vm, user: User) -> object:
    with_memory = {"1": True, "0": False}.get(request.POST.get("memory", ""))
    return snapshot_make(vm=vm, user=user, name=request.POST.get("name", ""), with_memory=with_memory)


@_change("snapshot-revert")
def _snapshot_revert(request: HttpRequest, vm: Vm, user: User) -> object:
    return snapshot_revert(snapshot=_row(request, vm.snapshots), user=user)


@_change("snapshot-delete")
def _snapshot_delete(request: HttpRequest, vm: Vm, user: User) -> object:
    return snapshot_delete(snapshot=_row(request, vm.snapshots), user=user)


def _row(request: HttpRequest, rows: Any) -> Any:
    return get_object_or_404(rows.select_related("vm__project"), pk=uuid_of(request.POST.get("id", "")))


def _amount(request: HttpRequest, field: str, *, unit: int = GIB) -> int:
    """A number of the form in `unit`, bytes in whole MiB."""
    try:
        number = Decimal(request.POST.get(field, "")[:20])
        amount = int(number * unit)
    except (InvalidOperation, ValueError, OverflowError):
        raise _NoNumber from None
    return amount if unit == 1 else amount // MIB * MIB
