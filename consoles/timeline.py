"""The time line of a VM's screen: pictures that are kept, bounded in number and bytes.

They are in the database, so that every process has them, they are there after a restore, and they go with their VM.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.services import audit_record
from common.publish import publish_on_commit
from common.sentences import gettext as _
from hypervisors.screenshots import screenshot_png
from vms import live
from vms.errors import VmNotFound
from vms.models import Vm
from vms.screens import KeptPicture, register_last_pictures, screen_png
from vms.services.machines import require_operator

from .errors import PicturesOff, PictureTooLarge
from .models import Screenshot, ScreenshotKind

MAX_WIDTH: Final = 1280
THUMBNAIL_WIDTH: Final = 320
MAX_PICTURE_BYTES: Final = 4 * 2**20
"""Both pictures of one moment together; no VM may keep less than that."""
_PNG_SIZE: Final = struct.Struct(">16x2I")


@dataclass(frozen=True, slots=True)
class Pictures:
    """One moment of a screen."""

    png: bytes
    thumbnail: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = _PNG_SIZE.unpack_from(self.png)
        return width, height

    @property
    def size_bytes(self) -> int:
        """What is kept of it."""
        return len(self.png) + len(self.thumbnail)


def screenshots_of(vm: Vm) -> QuerySet[Screenshot]:
    """The VM's pictures since it came to its project, the newest first; their bytes are read only where they are asked for."""
    mine = Screenshot.objects.filter(vm=vm, project=F("vm__project"))
    return mine.select_related("taken_by").defer("png", "thumbnail").order_by("-taken_at", "id")


@register_last_pictures
def last_pictures_of(vms: Sequence[Vm]) -> Mapping[uuid.UUID, KeptPicture]:
    """The newest picture of each of these VMs that has any."""
    rows = Screenshot.objects.filter(vm__in=[vm.pk for vm in vms], project=F("vm__project")).order_by("taken_at", "id")
    return {
        vm_id: KeptPicture(f"{reverse('api-screenshot-picture', args=[vm_id, pk])}?size=small", taken_at)
        for pk, vm_id, taken_at in rows.values_list("pk", "vm_id", "taken_at")
    }


def screenshot_take(*, vm: Vm, user: User) -> Screenshot:
    """Keeps a picture of the screen as it is now.

    Raises:
        vms.errors.ActionNotAllowed: the user may only look.
        vms.errors.NoPicture, vms.errors.VmHostAway, hypervisors.errors.AgentError: there is none to be had.
        PicturesOff: this Eve keeps none.
        PictureTooLarge: it is larger than what may be kept.
    """
    require_operator(user, vm, action="screenshot.take")
    screenshot = screenshot_keep(vm=vm, pictures=take(vm), kind=ScreenshotKind.MANUAL, user=user)
    audit_record(
        action="screenshot.take", actor=user, target=vm, project=vm.project, detail={"screenshot": str(screenshot.pk)}
    )
    return screenshot


@transaction.atomic
def screenshot_delete(*, screenshot: Screenshot, user: User) -> None:
    """Deletes one. Raises vms.errors.ActionNotAllowed."""
    vm = screenshot.vm
    require_operator(user, vm, action="screenshot.delete")
    detail = {"screenshot": str(screenshot.pk), "taken_at": screenshot.taken_at.isoformat(), "kind": screenshot.kind}
    if not Screenshot.objects.filter(pk=screenshot.pk).delete()[0]:
        return
    audit_record(action="screenshot.delete", actor=user, target=vm, project=vm.project, detail=detail)
    announce(vm)


def take(vm: Vm) -> Pictures:
    """What is on the screen now, in the two sizes that are kept. Asks the host. Raises as :func:`screenshot_take` does."""
    if not settings.SCREENSHOTS_PER_VM:
        raise PicturesOff(_("This Eve keeps no pictures of screens. Save one to your computer instead."))
    whole = screen_png(vm)
    pictures = Pictures(
        png=screenshot_png("image/png", whole, width=MAX_WIDTH),
        thumbnail=screenshot_png("image/png", whole, width=THUMBNAIL_WIDTH),
    )
    if pictures.size_bytes > MAX_PICTURE_BYTES:
        raise PictureTooLarge(_("The picture is too large to be kept. Save it to your computer instead."))
    return pictures


@transaction.atomic
def screenshot_keep(*, vm: Vm, pictures: Pictures, kind: ScreenshotKind, user: User | None = None) -> Screenshot:
    """Puts it on the time line, and makes room for it: the oldest go first, those that were kept by hand last.

    Raises:
        vms.errors.VmNotFound: the VM was deleted meanwhile, or belongs to another project now.
    """
    locked = Vm.objects.select_for_update().filter(pk=vm.pk, project=vm.project_id).first()
    if locked is None:
        raise VmNotFound()
    width, height = pictures.size
    screenshot = Screenshot.objects.create(
        vm=locked,
        project_id=locked.project_id,
        kind=kind,
        taken_at=timezone.now(),
        taken_by=user,
        width=width,
        height=height,
        size_bytes=pictures.size_bytes,
        png=pictures.png,
        thumbnail=pictures.thumbnail,
    )
    _make_room(screenshot)
    announce(vm)
    return screenshot


def announce(vm: Vm) -> None:
    """Tells the pages that show the time line, once the transaction is committed."""
    message = {"type": "live.message", "message": {"type": "screenshots", "id": str(vm.pk)}}
    for group in (live.project_group(vm.project_id), live.site_group(vm.hypervisor.site_id)):
        publish_on_commit(group, message)


def _make_room(newest: Screenshot) -> None:
    """All of the VM's count, also those that its project may not see."""
    rows = Screenshot.objects.filter(vm=newest.vm_id).exclude(pk=newest.pk).order_by("taken_at", "id")
    others = list(rows.values_list("pk", "kind", "size_bytes"))
    others.sort(key=lambda row: row[1] == ScreenshotKind.MANUAL)  # each kind stays in the order of time
    count, total = len(others) + 1, newest.size_bytes + sum(size for _pk, _kind, size in others)
    gone = []
    for pk, _kind, size in others:
        if count <= settings.SCREENSHOTS_PER_VM and total <= settings.SCREENSHOT_BYTES_PER_VM:
            break
        gone.append(pk)
        count, total = count - 1, total - size
    Screenshot.objects.filter(pk__in=gone).delete()
