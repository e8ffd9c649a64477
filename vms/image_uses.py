"""What an image is needed by."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import User
from common.sentences import gettext as _
from common.sentences import ngettext

from .models import Disk, Image, Vm
from .selectors import vms_visible_to

MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Uses:
    """By what an image is used: VMs that the asker sees by name, everything else as a number."""

    names: tuple[str, ...] = ()
    others: int = 0

    def __bool__(self) -> bool:
        return bool(self.names or self.others)

    @property
    def words(self) -> str:
        """Such as “web-1, web-2 and 3 others”."""
        shown = ", ".join(self.names[:MOST_NAMES])
        rest = self.others + len(self.names[MOST_NAMES:])
        if not rest:
            return shown
        others = ngettext("%d other", "%d others", rest) % rest
        if not shown:
            return ngettext("%d virtual machine or disk", "%d virtual machines or disks", rest) % rest
        return _("%(shown)s and %(others)s") % {"shown": shown, "others": others}


def uses_of(image: Image, *, user: User) -> Uses:
    """The VMs with a disk over it or with it in their drive, and disks that were kept without a VM."""
    disks = Disk.objects.filter(image=image)
    vm_ids = set(disks.exclude(vm=None).values_list("vm_id", flat=True))
    vm_ids |= set(Vm.objects.filter(cd_image=image).values_list("pk", flat=True))
    names = tuple(vms_visible_to(user).filter(pk__in=vm_ids).order_by("name", "pk").values_list("name", flat=True))
    return Uses(names=names, others=len(vm_ids) - len(names) + disks.filter(vm=None).count())
