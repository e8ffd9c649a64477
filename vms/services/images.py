"""Images: announced, checked, changed and deleted here; what is done on hosts for it is in :mod:`vms.handlers.images`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from eve_agent.wire.checks import MAX_URL, check_object_name, check_sha256

from accounts.models import Project, Role, User
from accounts.selectors import role_in
from accounts.services import audit_record
from common.errors import Invalid
from common.sentences import gettext as _
from common.sentences import is_name
from common.sweeping import MOST_AT_ONCE
from hypervisors.models import Hypervisor, HypervisorState, Site
from hypervisors.selectors import hypervisors_for, sites_for
from operations.errors import OperationRunning
from operations.models import Operation
from operations.services import operation_create
from vms.errors import ActionNotAllowed, ImageInUse, ImageNotReady
from vms.image_uses import uses_of
from vms.images import may_manage_image
from vms.models import Image, ImageCopy, ImageFormat, ImageKind, ImageState
from vms.placement import pool_for_image
from vms.quotas import Amounts

from .quotas import quota_reserve

FETCH, CHECK, TAKE, DELETE = "image.fetch", "image.check", "image.take", "image.delete"


@dataclass(frozen=True, slots=True)
class NewImage:
    """What somebody wants to have."""

    name: str
    site: Site | None = None
    """None: where there is most space."""
    project: Project | None = None
    """None: public, which staff may make."""
    kind: str = ImageKind.CLOUD
    format: str = ImageFormat.QCOW2
    """As declared; an ISO is always raw."""
    sha256: str = ""
    """Of its file, to be checked; empty: whatever comes is taken."""
    remarks: str = ""


@transaction.atomic
def image_upload(*, wanted: NewImage, size_bytes: int, user: User) -> Image:
    """Announces an image of `size_bytes` that the user's browser or program sends in pieces.

    Raises:
        ActionNotAllowed: not an owner of the project, nor of the site's staff.
        Invalid, QuotaExceeded, NoRoom
    """
    if not 1 <= size_bytes <= settings.IMAGE_MAX_BYTES:
        raise _invalid(
            "size_bytes",
            _("An image has 1 byte to %(most)d GiB here.") % {"most": settings.IMAGE_MAX_BYTES // 2**30},
        )
    return image_begin(wanted, user, size_bytes=size_bytes)


@transaction.atomic
def image_fetch(*, wanted: NewImage, url: str, user: User) -> Operation:
    """Lets a host of the site fetch it from `url`. Raises as :func:`image_upload`."""
    if (
        not url.startswith(("https://", "http://"))
        or len(url) > MAX_URL
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise _invalid("url", _("An address begins with https:// or http:// and has plain characters only."))
    if "@" in url.split("/")[2]:
        raise _invalid("url", _("An address without a user name or password: others would see them."))
    return _queue(FETCH, image_begin(wanted, user, source_url=url), user)


@transaction.atomic
def image_take(*, wanted: NewImage, hypervisor: Hypervisor, pool: str, volume: str, user: User) -> Operation:
    """Makes an image of a file that somebody put into a pool; the file stays. For staff. Raises as :func:`image_upload`."""
    if not hypervisors_for(user).filter(pk=hypervisor.pk).exists():
        raise ActionNotAllowed(_("Files in pools are taken by who manages the host."))
    try:
        check_object_name("volume", volume)
        check_object_name("pool", pool)
    except ValueError:
        raise _invalid("volume", _("There is no such file.")) from None
    image = image_begin(wanted, user, place=(hypervisor, pool))
    return _queue(TAKE, image, user, volume=volume)


@transaction.atomic
def image_check(*, image: Image, user: User, digests_sha256: str = "") -> Operation:
    """All of an upload was sent: the host checks it, and that it is one file where its `digests_sha256` are given.

    Raises ActionNotAllowed, ImageNotReady.
    """
    require_manager(user, image)
    if image.state != ImageState.COMING or image.source_url:
        raise ImageNotReady(_("Image %(name)s waits for no upload.") % {"name": image.name})
    Image.objects.filter(pk=image.pk).update(received_at=timezone.now())
    return _queue(CHECK, image, user, **({"digests_sha256": digests_sha256} if digests_sha256 else {}))


@transaction.atomic
def image_update(*, image: Image, user: User, **changes: Any) -> Image:
    """Changes its name or remarks. Raises ActionNotAllowed, Invalid."""
    require_manager(user, image)
    for name in ("name", "remarks"):
        if name in changes:
            setattr(image, name, _words(name, changes[name]))
    image.save(update_fields=["name", "remarks"])
    audit_record(action="image.update", actor=user, target=image, project=image.project, detail={"name": image.name})
    return image


@transaction.atomic
def image_delete(*, image: Image, user: User) -> Operation:
    """Deletes it from every host. From now on nothing new is made from it.

    Raises:
        ActionNotAllowed: not an owner of its project, nor of its site's staff.
        ImageInUse: disks are thin over it, or it is in a CD drive; says of which virtual machines.
        operations.errors.OperationRunning: it is still on its way; cancel that first.
    """
    require_manager(user, image)
    image = Image.objects.select_for_update().get(pk=image.pk)
    uses = uses_of(image, user=user)
    if uses:
        words = (
            _("Image %(name)s is in use by %(uses)s. It is in their CD drives: eject it there first.")
            if image.kind == ImageKind.ISO
            else _("Image %(name)s is in use by %(uses)s. Their disks build on it: delete them first.")
        )
        raise ImageInUse(
            words % {"name": image.name, "uses": uses.words},
            used_by=list(uses.names),
            others=uses.others,
        )
    operation = _queue(DELETE, image, user)
    Image.objects.filter(pk=image.pk).update(state=ImageState.REMOVING, state_reason="")
    return operation


def uploads_sweep() -> int:
    """Gives up uploads of which nothing came for :data:`settings.UPLOAD_HOURS`: they are deleted, on their hosts too. Returns how many.

    One whose host is away is left for later: else its bytes would stay there.
    """
    if not settings.UPLOAD_HOURS:
        return 0
    before = timezone.now() - dt.timedelta(hours=settings.UPLOAD_HOURS)
    waiting = Image.objects.filter(state=ImageState.COMING, source_url="", received_at__lt=before)
    here = waiting.filter(copies__hypervisor__state=HypervisorState.ONLINE)
    return sum(_upload_give_up(key, before) for key in here.values_list("pk", flat=True)[:MOST_AT_ONCE])


@transaction.atomic
def _upload_give_up(image_id: UUID, before: dt.datetime) -> bool:
    """False where it went on meanwhile, or is being checked or made."""
    waiting = Image.objects.filter(pk=image_id, state=ImageState.COMING, received_at__lt=before)
    image = waiting.select_for_update(skip_locked=True).first()
    if image is None:
        return False
    try:
        _queue(DELETE, image, None, is_given_up=True)
    except OperationRunning:
        return False
    Image.objects.filter(pk=image.pk).update(state=ImageState.REMOVING, state_reason="")
    return True


def image_hold(image: Image) -> None:
    """Locks the row, so that nobody deletes the image while a VM is made from it. Raises ImageNotReady where somebody was faster."""
    if not Image.objects.select_for_update().filter(pk=image.pk, state=ImageState.READY).exists():
        raise ImageNotReady(_("Image %(name)s was deleted just now. Choose another.") % {"name": image.name})


def require_manager(user: User, image: Image) -> None:
    """Raises ActionNotAllowed for who may only use it."""
    if not may_manage_image(user, image):
        raise ActionNotAllowed(
            _("Image %(name)s belongs to others: owners of its project, or the staff of its site, may change it.")
            % {"name": image.name}
        )


def image_begin(
    wanted: NewImage,
    user: User,
    *,
    size_bytes: int = 0,
    source_url: str = "",
    place: tuple[Hypervisor, str] | None = None,
) -> Image:
    """The row of an image that is on its way to its first pool. Raises as :func:`image_upload`."""
    _require_maker(user, wanted)
    try:
        check_sha256(wanted.sha256)
    except ValueError:
        raise _invalid("sha256", _("64 hexadecimal digits (0-9, a-f), or leave it empty.")) from None
    if wanted.project is not None:
        quota_reserve(project=wanted.project, amounts=Amounts(images=1, disk_bytes=size_bytes))
    hypervisor, pool = place or pool_for_image(_hosts(wanted, user), size_bytes=size_bytes)
    image = Image.objects.create(
        name=_words("name", wanted.name),
        kind=wanted.kind,
        format=ImageFormat.RAW if wanted.kind == ImageKind.ISO else wanted.format,
        project=wanted.project,
        site=hypervisor.site,
        sha256=wanted.sha256,
        remarks=_words("remarks", wanted.remarks),
        size_bytes=size_bytes,
        source_url=source_url,
        created_by=user,
    )
    audit_record(
        action="image.create",
        actor=user,
        target=image,
        project=image.project,
        detail={
            "site": hypervisor.site.name,
            "kind": image.kind,
            "from": source_url.split("?", maxsplit=1)[0] or "bytes",
        },
    )
    ImageCopy.objects.create(image=image, hypervisor=hypervisor, pool=pool)
    return image


def _hosts(wanted: NewImage, user: User) -> QuerySet[Hypervisor]:
    if wanted.site is not None:
        return Hypervisor.objects.filter(site=wanted.site)
    return Hypervisor.objects.all() if wanted.project is not None else hypervisors_for(user)


def _manages(user: User, site: Site | None) -> bool:
    """Whether the user is staff of that site; of some site, where none is named."""
    sites = sites_for(user)
    return sites.filter(pk=site.pk).exists() if site else sites.exists()


def _require_maker(user: User, wanted: NewImage) -> None:
    if wanted.project is None:
        if not _manages(user, wanted.site):
            raise ActionNotAllowed(_("Public images are made by the staff of their site. Choose one of your projects."))
    elif role_in(user, wanted.project) is not Role.OWNER and not _manages(user, wanted.site):
        raise ActionNotAllowed(
            _("Images of project %(name)s are made by its owners. Ask one of them.") % {"name": wanted.project.name}
        )


def _queue(kind: str, image: Image, user: User | None, **arguments: Any) -> Operation:
    return operation_create(kind=kind, target=image, project=image.project, user=user, arguments=arguments)


def _words(field: str, text: str) -> str:
    most = 100 if field == "name" else 10_000
    clean = text.strip() if field == "name" else text
    if len(clean) > most or "\0" in clean or (field == "name" and not (clean and is_name(clean))):
        raise _invalid(field, _("1 to %(most)d characters that can be read.") % {"most": most})
    return clean


def _invalid(field: str, words: str) -> Invalid:
    return Invalid(words, errors={field: [words]})
