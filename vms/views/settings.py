"""A machine's settings on their page: name, remarks, start with the host, boot order, project, end."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.callers import caller
from accounts.models import Project, User
from accounts.selectors import ssh_keys_for
from common.errors import EveError
from common.lists import PAGE_SIZE, list_context
from common.pages import is_part, uuid_of
from common.sentences import gettext as _
from vms.cards import card_for
from vms.facts import CDROM
from vms.images import images_usable_by
from vms.lists import PROJECTS_FOR_MACHINES
from vms.models import ImageState, Vm
from vms.selectors import boot_order_of, projects_open_to
from vms.services import boot_order_set, vm_configure, vm_delete, vm_move, vm_update

from .gone import tells_its_end
from .parts import page_context, vm_or_404

BOOT_PLACES = 4
"""So many devices can be put in order on the page."""


@dataclass(frozen=True, slots=True)
class BootPlace:
    """One place of the boot order."""

    number: int
    device: str
    """What is there; empty for nothing."""


@login_required
@never_cache
@require_safe
@tells_its_end
def vm_settings(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """What it is called, what it boots from, whose it is."""
    vm = vm_or_404(request, vm_id)
    user = caller(request)
    bootables = _bootables(vm)
    context = {
        **page_context(request, nav="vms"),
        "vm": vm,
        "card": card_for(user, vm),
        "tab": "settings",
        "images": images_usable_by(user, vm.project).filter(site_id=vm.hypervisor.site_id, state=ImageState.READY),
        "keys": ssh_keys_for(user),
        "has_snapshots": vm.snapshots.exists(),
        "may_move": _destinations(user, vm).exists(),
        "bootables": bootables,
        "boot_places": _boot_places(vm, min(BOOT_PLACES, len(bootables))),
    }
    return render(request, "vms/parts/settings.html" if is_part(request) else "vms/settings.html", context)


@login_required
@require_POST
def vm_settings_save(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Changes what was changed of name, remarks and start with the host."""
    vm = vm_or_404(request, vm_id)
    try:
        with transaction.atomic():
            has_new_remarks = _save(request, vm, caller(request))
        if has_new_remarks:
            messages.success(request, _("The remarks are saved."))
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-settings", vm_id=vm_id)


@login_required
@require_POST
def vm_boot(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Changes what it boots from."""
    vm = vm_or_404(request, vm_id)
    try:
        boot_order_set(vm=vm, user=caller(request), devices=[each for each in request.POST.getlist("device") if each])
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-settings", vm_id=vm_id)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def vm_to_project(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Chooses the project that it shall belong to; POST gives it to it."""
    vm, user = vm_or_404(request, vm_id), caller(request)
    if request.method == "POST":
        return _move(request, vm, user)
    destinations = _destinations(user, vm)
    if not destinations.exists():
        raise Http404
    context = {
        **page_context(request, nav="vms"),
        **list_context(
            request, destinations.select_related("personal_owner"), PROJECTS_FOR_MACHINES, page_size=PAGE_SIZE // 2
        ),
        "vm": vm,
        "card": card_for(user, vm),
        "tab": "settings",
    }
    return render(request, "vms/to_project.html", context)


def _destinations(user: User, vm: Vm) -> QuerySet[Project]:
    return projects_open_to(user, vm).exclude(pk=vm.project_id)


def _move(request: HttpRequest, vm: Vm, user: User) -> HttpResponse:
    project = get_object_or_404(projects_open_to(user, vm), pk=uuid_of(request.POST.get("project", "")))
    try:
        vm = vm_move(vm=vm, project=project, user=user)
        messages.success(
            request, _("%(name)s belongs to project %(project)s now.") % {"name": vm.name, "project": project}
        )
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("vm-settings", vm_id=vm.pk)


@login_required
@require_POST
def vm_end(request: HttpRequest, vm_id: UUID) -> HttpResponse:
    """Deletes it, once its name was typed. The dashboard shows how that goes: its own page goes with it."""
    vm = vm_or_404(request, vm_id)
    if request.POST.get("typed", "").strip() != vm.name:
        messages.error(request, _("Nothing was deleted. Type the name %(name)s to confirm.") % {"name": vm.name})
        return redirect("vm-settings", vm_id=vm_id)
    try:
        vm_delete(vm=vm, user=caller(request), keeps_disks="keep_disks" in request.POST)
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("vm-detail", vm_id=vm_id)
    messages.info(request, _("%(name)s is being deleted.") % {"name": vm.name})
    return redirect("dashboard")


def _save(request: HttpRequest, vm: Vm, user: User) -> bool:
    """Returns whether its remarks were changed."""
    remarks = request.POST.get("remarks", vm.remarks).replace("\0", "").replace("\r\n", "\n")
    if has_new_remarks := remarks != vm.remarks:
        vm_update(vm=vm, user=user, remarks=remarks)
    if "name" not in request.POST:
        return has_new_remarks
    name, is_autostarted = request.POST["name"].strip(), "autostart" in request.POST
    if (name, is_autostarted) != (vm.name, vm.is_autostarted):
        vm_configure(vm=vm, user=user, name=name, is_autostarted=is_autostarted)
    return has_new_remarks


def _bootables(vm: Vm) -> list[tuple[str, str]]:
    """What it may boot from, with words for it."""
    found = [
        (str(disk.pk), _("Disk %(number)d") % {"number": number}) for number, disk in enumerate(vm.disks.all(), start=1)
    ]
    nics = [
        (nic.mac, _("Network card %(mac)s in %(name)s") % {"mac": nic.mac, "name": nic.source}) for nic in vm.nics.all()
    ]
    return [*found, (CDROM, _("CD drive")), *nics]


def _boot_places(vm: Vm, count: int) -> list[BootPlace]:
    present = [*boot_order_of(vm), *[""] * count]
    return [BootPlace(place + 1, present[place]) for place in range(count)]
