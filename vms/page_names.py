"""Eve's pages by their names, as one searches for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.urls import reverse
from django.utils.functional import Promise

from accounts.models import User
from accounts.selectors import is_unlimited_staff
from common.sentences import gettext_lazy as _

MANAGE: Final = _("Manage")


@dataclass(frozen=True, slots=True)
class PageName:
    """A page, or a card of one."""

    name: Promise
    route: str
    anchor: str = ""
    part: Promise | str = ""
    """Of which part of Eve it is, where there are others of that name."""

    @property
    def url(self) -> str:
        """Its address."""
        return reverse(self.route) + self.anchor


EVERYBODYS: Final = (
    PageName(_("Dashboard"), "dashboard"),
    PageName(_("Virtual machines"), "vm-list"),
    PageName(_("New virtual machine"), "vm-new"),
    PageName(_("Images"), "images"),
    PageName(_("Add an image"), "image-new"),
    PageName(_("Kept disks"), "disks"),
    PageName(_("Activity"), "activity"),
    PageName(_("New project"), "project-new"),
    PageName(_("Notifications"), "notifications"),
    PageName(_("Profile"), "profile"),
    PageName(_("SSH keys"), "profile", "#ssh-keys"),
    PageName(_("Login tokens"), "profile", "#tokens"),
    PageName(_("Two-factor sign-in"), "two-factor"),
    PageName(_("API"), "api-docs"),
)
STAFFS: Final = (
    PageName(_("Overview"), "manage-overview", part=MANAGE),
    PageName(_("VMs"), "manage-vms", part=MANAGE),
    PageName(_("Drift"), "manage-drift", part=MANAGE),
    PageName(_("Images"), "manage-images", part=MANAGE),
    PageName(_("Pools"), "manage-pools", part=MANAGE),
    PageName(_("Sizes"), "manage-sizes", part=MANAGE),
    PageName(_("Operations"), "manage-operations", part=MANAGE),
    PageName(_("Consoles"), "manage-consoles", part=MANAGE),
    PageName(_("Audit"), "manage-audit", part=MANAGE),
    PageName(_("Webhooks"), "webhooks"),
    PageName(_("Administration"), "admin:index"),
)
OF_EVERY_SITE: Final = (
    PageName(_("Users"), "manage-users", part=MANAGE),
    PageName(_("Projects"), "manage-projects", part=MANAGE),
    PageName(_("Quotas"), "manage-quotas", part=MANAGE),
)


def pages_for(user: User) -> list[PageName]:
    """Those that are there for the user."""
    if not user.is_staff:
        return [*EVERYBODYS]
    return [*EVERYBODYS, *STAFFS, *(OF_EVERY_SITE if is_unlimited_staff(user) else ())]
