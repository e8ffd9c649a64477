"""What projects may use and what they use."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.utils.functional import Promise

from accounts.models import Project
from common.sentences import gettext
from common.sentences import gettext_lazy as _
from common.templatetags.eve import grouped

from .models import Disk, Image, Quota, Snapshot, Vm

LIMITS: Final[Mapping[str, Promise]] = {
    "vms": _("virtual machines"),
    "vcpus": _("vCPUs"),
    "memory_bytes": _("memory"),
    "disk_bytes": _("disk space"),
    "snapshots": _("snapshots"),
    "images": _("images"),
}
GIB = 2**30
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of each kind."""

    vms: int = 0
    vcpus: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    snapshots: int = 0
    images: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each kind is allowed; None: any amount."""

    vms: int | None
    vcpus: int | None
    memory_bytes: int | None
    disk_bytes: int | None
    snapshots: int | None
    images: int | None


@dataclass(frozen=True, slots=True)
class Share:
    """One limit with its use, for people."""

    name: str
    label: str
    used: int
    limit: int | None

    @property
    def caption(self) -> str:
        """Its label where a line begins with it."""
        return caption_of(self.name, self.label)

    @property
    def is_of_machines(self) -> bool:
        """Whether a new machine takes from it."""
        return self.name in ("vms", "vcpus", "memory_bytes", "disk_bytes")

    @property
    def percent(self) -> int:
        """Of the limit, 100 at most; 0 without one."""
        return min(100, round(100 * self.used / self.limit)) if self.limit else (100 if self.limit == 0 else 0)

    @property
    def tone(self) -> str:
        """The bar's colour: ``w`` from 80 %, ``b`` from 90 %."""
        return "b" if self.percent >= 90 else "w" if self.percent >= 80 else ""

    @property
    def used_words(self) -> str:
        """Such as “3 GiB”."""
        return amount_words(self.name, self.used)

    @property
    def limit_words(self) -> str:
        """Such as “16 GiB”; empty without a limit."""
        return "" if self.limit is None else amount_words(self.name, self.limit)


def quota_of(project: Project) -> Limits:
    """The project's limits: its own, else the installation's."""
    row = Quota.objects.filter(project=project).first()
    return Limits(**{name: _limit(row, name) for name in LIMITS})


def usage_of(project: Project) -> Amounts:
    """What the project uses: what its VMs were agreed to have, adopted ones too, and the disks and images that Eve made."""
    vms = Vm.objects.filter(project=project).aggregate(
        vms=Count("pk"), vcpus=Sum("vcpus", default=0), memory_bytes=Sum("memory_bytes", default=0)
    )
    disks = Disk.objects.filter(project=project).aggregate(total=Sum("size_bytes", default=0))
    images = Image.objects.filter(project=project).aggregate(images=Count("pk"), total=Sum("size_bytes", default=0))
    snapshots = Snapshot.objects.filter(vm__project=project).count()
    disk_bytes = disks["total"] + images["total"]
    return Amounts(**vms, disk_bytes=disk_bytes, snapshots=snapshots, images=images["images"])


def shares_of(project: Project) -> list[Share]:
    """Every limit of the project with its use."""
    limits, used = quota_of(project), usage_of(project)
    return [Share(name, str(label), getattr(used, name), getattr(limits, name)) for name, label in LIMITS.items()]


def shares_of_each(projects: Iterable[Project]) -> dict[UUID, list[Share]]:
    """:func:`shares_of` for each of these; the number of queries does not grow with theirs."""
    ids = [project.pk for project in projects]
    used, rows = _used_by_project(Q(project__in=ids)), Quota.objects.in_bulk(ids)
    return {key: _shares(used[key], rows.get(key)) for key in ids}


def shares_of_all() -> Iterator[tuple[UUID, Share]]:
    """Every limit of every active project of whose kind something is in use; the number of queries does not grow with theirs."""
    used, rows = _used_by_project(Q(project__isnull=False)), Quota.objects.in_bulk()
    active = set(Project.objects.filter(is_active=True).values_list("pk", flat=True))
    for project_id in used.keys() & active:
        yield from ((project_id, share) for share in _shares(used[project_id], rows.get(project_id)) if share.used)


def overdraft_words(project: Project) -> list[str]:
    """What the project uses more of than it may, a sentence each: staff may give it more, but are told."""
    return [
        gettext(
            "%(project)s is over its quota now (%(what)s: %(used)s of %(limit)s). It can add no more until it has less, or a larger quota."
        )
        % {"project": project.name, "used": share.used_words, "limit": share.limit_words, "what": share.label}
        for share in shares_of(project)
        if share.limit is not None and share.used > share.limit
    ]


def amount_words(name: str, amount: int) -> str:
    """An amount for people."""
    if not name.endswith("_bytes"):
        return grouped(amount)
    if 0 < amount < GIB:
        return f"{grouped(round(amount / MIB))} MiB"
    return f"{grouped(round(amount / GIB, 1))} GiB"


def limit_words(name: str, label: str | Promise, amount: int) -> str:
    """A limit with what it is of, in a sentence, such as “64 vCPUs”."""
    of = gettext("%(amount)s of %(what)s") if name.endswith("_bytes") else gettext("%(amount)s %(what)s")
    return of % {"amount": amount_words(name, amount), "what": label}


def caption_of(name: str, label: str | Promise) -> str:
    """The label of a limit with a capital, where it takes one."""
    text = str(label)
    return text if name == "vcpus" else text[:1].upper() + text[1:]


def _shares(used: Mapping[str, int], row: Quota | None) -> list[Share]:
    return [Share(name, str(label), used.get(name, 0), _limit(row, name)) for name, label in LIMITS.items()]


def _used_by_project(which: Q) -> dict[UUID, Counter[str]]:
    """What projects use, as :func:`usage_of`; `which` tells by ``project`` whose things are counted."""
    used: dict[UUID, Counter[str]] = defaultdict(Counter)
    vms = Vm.objects.filter(which).order_by().values_list("project")
    for project_id, count, vcpus, memory_bytes in vms.annotate(Count("pk"), Sum("vcpus"), Sum("memory_bytes")):
        used[project_id].update(vms=count, vcpus=vcpus, memory_bytes=memory_bytes)
    disks = Disk.objects.filter(which).order_by().values_list("project")
    for project_id, disk_bytes in disks.annotate(Sum("size_bytes")):
        used[project_id].update(disk_bytes=disk_bytes)
    images = Image.objects.filter(which).order_by().values_list("project")
    for project_id, count, disk_bytes in images.annotate(Count("pk"), Sum("size_bytes")):
        used[project_id].update(images=count, disk_bytes=disk_bytes or 0)
    snapshots = Snapshot.objects.filter(vm__in=Vm.objects.filter(which)).order_by().values_list("vm__project")
    for project_id, count in snapshots.annotate(Count("pk")):
        used[project_id].update(snapshots=count)
    return used


def _limit(row: Quota | None, name: str) -> int | None:
    own: int | None = getattr(row, name) if row else None
    default: int = settings.QUOTA[name]
    return own if own is not None else (default or None)
