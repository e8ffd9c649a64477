"""Images as pages show them: what is under way with them, and what may be done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise

from accounts.models import User
from common.sentences import gettext_lazy as _
from operations.models import Operation
from operations.selectors import recent_operations

from .images import images_managed_by
from .models import Image, ImageState

DOING: Final[dict[str, tuple[Promise, Promise]]] = {
    # kind: while it runs, when it is done
    "image.fetch": (_("Fetching"), _("Fetched and checked")),
    "image.check": (_("Checking"), _("Checked")),
    "image.take": (_("Copying"), _("Copied and checked")),
    "image.delete": (_("Deleting"), _("Deleted")),
}


@dataclass(frozen=True, slots=True)
class ImageCard:
    """One image."""

    image: Image
    operation: Operation | None
    """The newest, if it is under way or ended lately."""
    is_managed: bool
    """Whether the viewer may change and delete it."""

    @property
    def is_moving(self) -> bool:
        """Whether Eve works on it just now: its page asks again."""
        return self.operation is not None and self.operation.is_active

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for the bytes of an upload."""
        return self.image.state == ImageState.COMING and not self.image.source_url and not self.is_moving

    @property
    def doing(self) -> str:
        """What is done with it, such as “Fetching”."""
        return self._words(0)

    @property
    def done(self) -> str:
        """What was done with it, such as “Fetched and checked”."""
        return self._words(1)

    def _words(self, which: int) -> str:
        return str(DOING[self.operation.kind][which]) if self.operation and self.operation.kind in DOING else ""


def image_cards(user: User, images: Iterable[Image]) -> list[ImageCard]:
    """These images, which the user sees; two queries more."""
    rows = list(images)
    ids = [image.pk for image in rows]
    operations = recent_operations(target_type=Image._meta.model_name or "", target_ids=ids)
    managed = set(images_managed_by(user).filter(pk__in=ids).values_list("pk", flat=True))
    return [ImageCard(image, operations.get(image.pk), image.pk in managed) for image in rows]
