"""Sizes: what staff of every site offer."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from eve_agent.wire.checks import MAX_DISK_BYTES, MAX_MEMORY_BYTES, MAX_VCPUS, MIN_DISK_BYTES, MIN_MEMORY_BYTES

from accounts.models import User
from accounts.selectors import is_unlimited_staff
from accounts.services import audit_record
from common.errors import Invalid
from common.sentences import gettext as _
from common.sentences import is_name
from vms.errors import ActionNotAllowed, NameTaken
from vms.models import Size

MIB = 2**20
_FIELDS = ("name", "vcpus", "memory_bytes", "disk_bytes", "is_offered")


def size_create(*, user: User, name: str, vcpus: int, memory_bytes: int, disk_bytes: int) -> Size:
    """Offers one more. Raises ActionNotAllowed, Invalid, NameTaken."""
    size = Size(name=name, vcpus=vcpus, memory_bytes=memory_bytes, disk_bytes=disk_bytes)
    return _save(size, user, action="size.create")


def size_update(*, size: Size, user: User, **changes: Any) -> Size:
    """Changes what is chosen from now on; VMs stay as they are. Raises as :func:`size_create`."""
    for field in _FIELDS:
        if field in changes:
            setattr(size, field, changes[field])
    return _save(size, user, action="size.update")


@transaction.atomic
def size_delete(*, size: Size, user: User) -> None:
    """Takes it away; VMs made by it stay as they are. Raises ActionNotAllowed."""
    _require(user)
    audit_record(action="size.delete", actor=user, target=size)
    size.delete()


def _save(size: Size, user: User, *, action: str) -> Size:
    _require(user)
    _check(size)
    try:
        with transaction.atomic():
            size.save()
            audit_record(
                action=action, actor=user, target=size, detail={field: getattr(size, field) for field in _FIELDS}
            )
    except IntegrityError:
        raise NameTaken(_("There is a size called %(name)s already.") % {"name": size.name}) from None
    return size


def _require(user: User) -> None:
    if not is_unlimited_staff(user):
        raise ActionNotAllowed(_("Sizes are set by the staff of every site."))


def _check(size: Size) -> None:
    errors: dict[str, list[str]] = {}
    size.name = size.name.strip()
    if not 1 <= len(size.name) <= 50 or not is_name(size.name):
        errors["name"] = [_("1 to 50 characters that can be read.")]
    if not 1 <= size.vcpus <= MAX_VCPUS:
        errors["vcpus"] = [_("1 to %(most)d.") % {"most": MAX_VCPUS}]
    if not MIN_MEMORY_BYTES <= size.memory_bytes <= MAX_MEMORY_BYTES or size.memory_bytes % MIB:
        errors["memory_bytes"] = [_("32 MiB to 16 TiB, in whole MiB.")]
    if not MIN_DISK_BYTES <= size.disk_bytes <= MAX_DISK_BYTES or size.disk_bytes % MIB:
        errors["disk_bytes"] = [_("1 MiB to 64 TiB, in whole MiB.")]
    if errors:
        raise Invalid(next(iter(errors.values()))[0], errors=errors)
