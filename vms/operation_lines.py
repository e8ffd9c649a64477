"""Operations as lists show them: in words, with a way to what they changed while it is there, and to their end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.urls import reverse
from django.utils.functional import Promise

from accounts.models import User
from common.sentences import gettext_lazy as _
from operations.models import Operation
from operations.selectors import cancellable_by

from . import image_cards
from .gone import unmade_vms
from .images import images_for
from .models import Disk, Image, Vm
from .selectors import vms_visible_to
from .states import DOING_SHORT

VM: Final = str(Vm._meta.model_name)
IMAGE: Final = str(Image._meta.model_name)
DISK: Final = str(Disk._meta.model_name)
KINDS: Final[dict[str, Promise]] = {
    **DOING_SHORT,
    **{kind: doing for kind, (doing, _done) in image_cards.DOING.items()},
    "disk.delete": _("Deleting"),
}
"""By kind: what is done, as a badge says it."""
_TARGETS: Final[dict[str, tuple[str, Promise]]] = {
    # kind of target: icon, what it is
    VM: ("device-desktop", _("virtual machine")),
    IMAGE: ("photo", _("image")),
    DISK: ("database", _("kept disk")),
}


@dataclass(frozen=True, slots=True)
class OperationLine:
    """One operation as one user sees it."""

    operation: Operation
    url: str
    """The page of what it changes; empty where there is none, or none any more."""
    may_cancel: bool

    @property
    def doing(self) -> Promise | str:
        """What is done, such as “Starting”."""
        return KINDS.get(self.operation.kind, self.operation.kind)

    @property
    def icon(self) -> str:
        """Of the kind of its target."""
        return _TARGETS[self.operation.target_type][0] if self.operation.target_type in _TARGETS else "list-check"

    @property
    def target_word(self) -> Promise | str:
        """What its target is, such as “image”."""
        target_type = self.operation.target_type
        return _TARGETS[target_type][1] if target_type in _TARGETS else target_type


def operation_lines(user: User, operations: Iterable[Operation]) -> list[OperationLine]:
    """These operations, which the user sees; four queries more at most."""
    rows = list(operations)
    urls = urls_of(user, ((row.target_type, row.target_id) for row in rows))
    may_end = cancellable_by(user, [row.pk for row in rows if row.is_cancellable])
    return [OperationLine(row, urls.get(row.target_id, ""), row.pk in may_end) for row in rows]


def urls_of(user: User, targets: Iterable[tuple[str, UUID]]) -> dict[UUID, str]:
    """The pages of those VMs and images that still exist for the user, and of VMs that were not made, by id; one query for each kind."""
    by_kind: dict[str, set[UUID]] = {VM: set(), IMAGE: set()}
    for kind, key in targets:
        if kind in by_kind:
            by_kind[kind].add(key)
    found: dict[UUID, str] = {}
    if by_kind[VM]:
        there = set(vms_visible_to(user).filter(pk__in=by_kind[VM]).values_list("pk", flat=True))
        missing = by_kind[VM] - there
        unmade = unmade_vms(user, missing) if missing else ()
        found |= {key: reverse("vm-detail", args=[key]) for key in (*there, *unmade)}
    if by_kind[IMAGE]:
        for key in images_for(user).filter(pk__in=by_kind[IMAGE]).values_list("pk", flat=True):
            found[key] = reverse("image-detail", args=[key])
    return found
