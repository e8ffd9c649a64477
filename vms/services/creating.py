"""Making a virtual machine: checked and written down here, done on its host by :mod:`vms.handlers.creating`."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone
from eve_agent.wire.checks import MAX_DISK_BYTES, MAX_MEMORY_BYTES, MAX_VCPUS, MIN_DISK_BYTES, MIN_MEMORY_BYTES

from accounts.models import Project, Role, User
from accounts.selectors import role_allows, role_in
from common.errors import Invalid
from common.sentences import gettext as _
from hypervisors.models import Hypervisor, Site
from hypervisors.selectors import hypervisors_for
from operations.models import Operation
from operations.services import operation_create
from vms import live
from vms.cloudinit import seed_make
from vms.errors import ActionNotAllowed, ImageNotReady, NameTaken
from vms.images import images_usable_by
from vms.models import Disk, DiskBus, Image, ImageKind, Lifecycle, Nic, NicKind, NicModel, Vm, VmState
from vms.placement import Place, Space, place_find
from vms.quotas import Amounts

from .images import image_hold
from .networks import default_nics, nics_check
from .quotas import quota_reserve
from .seeds import seed_create

KIND = "vm.create"
DEFAULT_DISK_BYTES = 10 * 2**30
MAX_DISKS = 16
MAX_NICS = 8
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A label of RFC 1123, section 2.1: it is also the guest's host name."""


@dataclass(frozen=True, slots=True)
class NewDisk:
    """A disk to be made."""

    size_bytes: int
    pool: str = ""
    """Empty: Eve chooses."""


@dataclass(frozen=True, slots=True)
class NewNic:
    """A network card to be made."""

    source: str
    """Name of the network or bridge."""
    kind: str = NicKind.NETWORK


@dataclass(frozen=True, slots=True)
class NewVm:
    """What somebody wants. Everything but the first three has a default."""

    name: str
    vcpus: int
    memory_bytes: int
    disks: Sequence[NewDisk] = ()
    """The first is booted from, and is thin over the image. None: one of the image's size, or of 10 GiB."""
    nics: Sequence[NewNic] | None = None
    """None: one in the default network, if the host has it."""
    image: Image | None = None
    """A cloud image for the first disk, or an ISO for the CD drive; None: an empty disk."""
    site: Site | None = None
    hypervisor: Hypervisor | None = None
    """For who manages it; None: Eve places it."""
    ssh_keys: Sequence[str] = ()
    password: str = ""
    user_data: str = ""
    network_config: str = ""
    firmware: str = "bios"
    has_legacy_devices: bool = False
    """SATA and e1000e in place of virtio, for guests without its drivers."""
    is_autostarted: bool = False
    is_started: bool = True
    remarks: str = ""


def vm_create(*, wanted: NewVm, project: Project, user: User) -> Operation:
    """Writes a new VM down, and queues what makes it.

    Raises:
        ActionNotAllowed: the user may not make VMs in that project, or not on that host.
        Invalid: a name, size or text is not what it has to be; ``errors`` says which.
        NameTaken, ImageNotReady, QuotaExceeded, NoRoom
    """
    _require_operator(user, project)
    _check(wanted)
    image = _image_check(wanted, project, user)
    cloud = image if image and image.kind == ImageKind.CLOUD else None
    seed = None
    if cloud:
        seed = seed_make(
            host_name=wanted.name,
            ssh_keys=wanted.ssh_keys,
            password=wanted.password,
            user_data=wanted.user_data,
            network_config=wanted.network_config,
        )
    elif wanted.ssh_keys or wanted.password or wanted.user_data or wanted.network_config:
        detail = _("SSH keys, password and user-data are for cloud images: choose one, or leave them out.")
        raise Invalid(detail, errors={"image": [detail]})
    disks = _disks(wanted, cloud)
    with transaction.atomic():
        if image:
            image_hold(image)
        quota_reserve(
            project=project,
            amounts=Amounts(1, wanted.vcpus, wanted.memory_bytes, sum(disk.size_bytes for disk in disks)),
        )
        place = _place(wanted, disks, image, user)
        vm = _vm(wanted, project, place, cd=image if image and image.kind == ImageKind.ISO else None)
        _make_disks(vm, wanted, disks, place, cloud)
        _make_nics(vm, wanted, place, user)
        if seed:
            seed_create(vm=vm, texts=seed, instance=vm.pk, pool=place.pools[0])
        operation = operation_create(
            kind=KIND,
            target=vm,
            project=project,
            user=user,
            arguments={"is_started": wanted.is_started, "wanted": _choices(wanted)},
        )
        live.announce([live.VmChange(vm.pk, project.pk, place.hypervisor.site_id, vm.state)])
    return operation


def _choices(wanted: NewVm) -> dict[str, Any]:
    """What is chosen again where the making comes to nothing, in plain JSON: neither keys nor secrets, which are asked for anew."""
    return {
        "image": str(wanted.image.pk) if wanted.image else "",
        "site": str(wanted.site.pk) if wanted.site else "",
        "hypervisor": str(wanted.hypervisor.pk) if wanted.hypervisor else "",
        "vcpus": wanted.vcpus,
        "memory_bytes": wanted.memory_bytes,
        "disks": [[disk.size_bytes, disk.pool] for disk in wanted.disks],
        "nics": None if wanted.nics is None else [[nic.kind, nic.source] for nic in wanted.nics],
        "firmware": wanted.firmware,
        "has_legacy_devices": wanted.has_legacy_devices,
        "is_autostarted": wanted.is_autostarted,
        "remarks": wanted.remarks,
    }


def _require_operator(user: User, project: Project) -> None:
    role = role_in(user, project)
    if role is None or not role_allows(role, Role.OPERATOR):
        raise ActionNotAllowed(
            _("You may not make virtual machines in project %(name)s. Ask one of its owners for the operator's role.")
            % {"name": project.name}
        )


def name_check(name: str) -> None:
    """That a VM may be called so. Raises Invalid."""
    if not NAME.fullmatch(name):
        detail = _name_rule()
        raise Invalid(f"name: {detail}", errors={"name": [detail]})


def _name_rule() -> str:
    return _(
        "1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends: it is its host name."
    )


def _check(wanted: NewVm) -> None:
    errors: dict[str, list[str]] = {}
    if not NAME.fullmatch(wanted.name):
        errors["name"] = [_name_rule()]
    if not 1 <= wanted.vcpus <= MAX_VCPUS:
        errors["vcpus"] = [_("1 to %(most)d.") % {"most": MAX_VCPUS}]
    if not MIN_MEMORY_BYTES <= wanted.memory_bytes <= MAX_MEMORY_BYTES or wanted.memory_bytes % 2**20:
        errors["memory_bytes"] = [_("32 MiB to 16 TiB, in whole MiB.")]
    if len(wanted.disks) > MAX_DISKS:
        errors["disks"] = [_("%(most)d at most.") % {"most": MAX_DISKS}]
    if not all(
        MIN_DISK_BYTES <= disk.size_bytes <= MAX_DISK_BYTES and disk.size_bytes % 2**20 == 0 for disk in wanted.disks
    ):
        errors["disks"] = [_("1 MiB to 64 TiB each, in whole MiB.")]
    if wanted.nics is not None and len(wanted.nics) > MAX_NICS:
        errors["nics"] = [_("%(most)d at most.") % {"most": MAX_NICS}]
    if errors:
        raise Invalid(next(f"{field}: {words[0]}" for field, words in errors.items()), errors=errors)


def _image_check(wanted: NewVm, project: Project, user: User) -> Image | None:
    if wanted.image is None:
        return None
    image = images_usable_by(user, project).filter(pk=wanted.image.pk).first()
    if image is None:
        detail = _("There is no such image for project %(name)s.") % {"name": project.name}
        raise Invalid(detail, errors={"image": [detail]})
    site_id = wanted.hypervisor.site_id if wanted.hypervisor else (wanted.site.pk if wanted.site else image.site_id)
    if site_id != image.site_id:
        raise ImageNotReady(
            _("Image %(name)s is at site %(site)s. Choose that site, or an image of the other.")
            % {"name": image.name, "site": image.site.name}
        )
    return image


def first_disk_bytes(image: Image | None) -> int:
    """How large the first disk is where nobody says so."""
    return max(DEFAULT_DISK_BYTES, image.virtual_bytes if image and image.kind == ImageKind.CLOUD else 0)


def _disks(wanted: NewVm, cloud: Image | None) -> list[NewDisk]:
    disks = list(wanted.disks) or [NewDisk(first_disk_bytes(cloud))]
    if cloud and disks[0].size_bytes < cloud.virtual_bytes:
        detail = _("The first disk needs %(least)d MiB at least: image %(name)s is that large.") % {
            "least": -(-cloud.virtual_bytes // 2**20),
            "name": cloud.name,
        }
        raise Invalid(detail, errors={"disks": [detail]})
    return disks


def _place(wanted: NewVm, disks: Sequence[NewDisk], image: Image | None, user: User) -> Place:
    hosts = Hypervisor.objects.all()
    if wanted.hypervisor is not None:
        if not hypervisors_for(user).filter(pk=wanted.hypervisor.pk).exists():
            raise ActionNotAllowed(_("A host is chosen by who manages it. Choose a site, or leave both to Eve."))
        hosts = hosts.filter(pk=wanted.hypervisor.pk)
    elif wanted.site is not None or image is not None:
        hosts = hosts.filter(site=wanted.site.pk if wanted.site else image.site_id if image else None)
    return place_find(
        hosts,
        vcpus=wanted.vcpus,
        memory_bytes=wanted.memory_bytes,
        disks=[Space(disk.size_bytes, disk.pool) for disk in disks],
        preferred=image.copies.filter(is_ready=True).values_list("hypervisor_id", flat=True) if image else (),
    )


def _vm(wanted: NewVm, project: Project, place: Place, *, cd: Image | None) -> Vm:
    vm = Vm(
        pk=uuid4(),
        name=wanted.name,
        project=project,
        hypervisor=place.hypervisor,
        vcpus=wanted.vcpus,
        memory_bytes=wanted.memory_bytes,
        remarks=wanted.remarks,
        is_made_by_eve=True,
        lifecycle=Lifecycle.MAKING,
        firmware=wanted.firmware,
        is_autostarted=wanted.is_autostarted,
        cd_image=cd,
        state=VmState.CREATING,
        state_since=timezone.now(),
    )
    try:
        with transaction.atomic():
            vm.save(force_insert=True)
    except IntegrityError:
        raise NameTaken(
            _("Project %(project)s has a virtual machine called %(name)s already. Choose another name.")
            % {"project": project.name, "name": wanted.name}
        ) from None
    return vm


def _make_disks(vm: Vm, wanted: NewVm, disks: Sequence[NewDisk], place: Place, cloud: Image | None) -> None:
    bus = DiskBus.SATA if wanted.has_legacy_devices else DiskBus.VIRTIO
    Disk.objects.bulk_create(
        Disk(
            project=vm.project,
            vm=vm,
            hypervisor=place.hypervisor,
            pool=pool,
            size_bytes=disk.size_bytes,
            bus=bus,
            image=cloud if position == 0 else None,
            position=position,
        )
        for position, (disk, pool) in enumerate(zip(disks, place.pools, strict=True))
    )


def _make_nics(vm: Vm, wanted: NewVm, place: Place, user: User) -> None:
    nics = (
        [(nic.kind, nic.source) for nic in wanted.nics] if wanted.nics is not None else default_nics(place.hypervisor)
    )
    nics_check(place.hypervisor, nics, user)
    model = NicModel.E1000E if wanted.has_legacy_devices else NicModel.VIRTIO
    Nic.objects.bulk_create(
        Nic(vm=vm, mac=new_mac(), kind=kind, source=source, model=model, position=position)
        for position, (kind, source) in enumerate(nics)
    )


def new_mac() -> str:
    """Of QEMU's range 52:54:00, as libvirt makes them; the column is unique."""
    while Nic.objects.filter(
        mac=(mac := "52:54:00:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3)))
    ).exists():
        pass
    return mac
