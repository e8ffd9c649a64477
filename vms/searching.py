"""One search through everything that somebody may see: a few things of each kind, and the list that has all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Case, Count, QuerySet, Value, When, Window
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst

from accounts.models import User
from accounts.selectors import is_unlimited_staff, projects_for, projects_visible_to, users_for
from common.lists import Asked, holds, search_text
from common.sentences import gettext_lazy as _
from hypervisors.models import Site
from hypervisors.selectors import hypervisors_for, sites_for

from .addresses import vm_address
from .hosts import Host, Load
from .images import images_at_sites_of, images_offered_to
from .listing import search_vms
from .lists import HOSTS, IMAGES
from .models import Image, Vm
from .page_names import pages_for
from .people import PROJECTS, USERS
from .selectors import vms_for, vms_managed_by

SHOWN: Final = 5
"""So many of each kind."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found."""

    name: str
    url: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one kind."""

    total: int
    hits: Sequence[Hit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What can be found."""

    label: Promise
    icon: str
    by: Promise
    """By what it is found, in words."""
    find: Callable[[User, str], Found]
    """What a text finds of it that the user may see, the best first."""
    listed_at: str = ""
    """The name of the page that lists all of it, searched by ``?q=``; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Group:
    """What a text found of one kind."""

    kind: Kind
    found: Found
    text: str

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.found.total - len(self.found.hits)

    @property
    def url(self) -> str:
        """Where all are listed; empty where they are nowhere."""
        return f"{reverse(self.kind.listed_at)}?{urlencode({'q': self.text})}" if self.kind.listed_at else ""


def search(user: User, text: str) -> list[Group]:
    """What `text` finds of all that the user may see, without kinds that have nothing; with as many queries however much there is."""
    text = search_text(text)
    if not text:
        return []
    groups = [Group(kind, kind.find(user, text), text) for kind in kinds_for(user)]
    return [group for group in groups if group.found.total]


def kinds_for(user: User) -> list[Kind]:
    """What the user can find: what is theirs, and what they look after as staff."""
    if not user.is_staff:
        return [OWN_VMS, OFFERED_IMAGES, OWN_PROJECTS, PAGES]
    if is_unlimited_staff(user):
        return [MANAGED_VMS, HOSTS_OF_SITES, SITES, MANAGED_IMAGES, PROJECTS_OF_ALL, USERS_OF_ALL, PAGES]
    return [MANAGED_VMS, OWN_VMS, HOSTS_OF_SITES, SITES, MANAGED_IMAGES, OFFERED_IMAGES, OWN_PROJECTS, PAGES]


def _best(rows: QuerySet[Any], text: str, hit: Callable[[Any], Hit]) -> Found:
    """The first of `rows` and how many there are, by one query; those that are called so come first."""
    called = Case(
        When(name__istartswith=text, then=Value(0)), When(name__icontains=text, then=Value(1)), default=Value(2)
    )
    first = list(rows.annotate(total=Window(Count("*"))).order_by(called, "name", "pk")[:SHOWN])
    return Found(first[0].total if first else 0, [hit(row) for row in first])


def _rows(find: Callable[[User, str], QuerySet[Any]], hit: Callable[[Any], Hit]) -> Callable[[User, str], Found]:
    return lambda user, text: _best(find(user, text), text, hit)


def _brief(vms: QuerySet[Vm], text: str) -> QuerySet[Vm]:
    return search_vms(vms, text).select_related("project").only("name", "state", "project__name")


def _vm(vm: Vm) -> Hit:
    return Hit(vm.name, vm_address("vm-detail", vm.pk), f"{vm.project.name} · {capfirst(vm.get_state_display())}")


def _image(image: Image) -> Hit:
    where = f"{image.project.name} · {image.site.name}" if image.project else image.site.name
    return Hit(image.name, reverse("image-detail", args=[image.pk]), where)


def _site(site: Site) -> Hit:
    return Hit(site.name, f"{reverse('manage-overview')}?{urlencode({'q': site.name})}")


def _hosts(user: User, text: str) -> Found:
    rows = hypervisors_for(user).select_related("site").only("name", "address", "remarks", "site__name")
    hosts = HOSTS.found([Host(row, Load()) for row in rows], Asked(search=text, sort="name"))
    return _first([Hit(host.row.name, _host_url(host), host.row.site.name) for host in hosts], text)


def _host_url(host: Host) -> str:
    return reverse("manage-hypervisor", args=[host.row.pk])


def _pages(user: User, text: str) -> Found:
    pages = [page for page in pages_for(user) if holds(text, str(page.name))]
    return _first([Hit(str(page.name), page.url, str(page.part)) for page in pages], text)


def _first(hits: list[Hit], text: str) -> Found:
    """The same of what is in memory."""
    best = sorted(hits, key=lambda hit: not hit.name.casefold().startswith(text.casefold()))
    return Found(len(hits), best[:SHOWN])


OWN_VMS: Final = Kind(
    label=_("Your virtual machines"),
    icon="device-desktop",
    by=_("Name, remarks, host, address or id"),
    listed_at="vm-list",
    find=_rows(lambda user, text: _brief(vms_for(user), text), _vm),
)
MANAGED_VMS: Final = Kind(
    label=_("Virtual machines on your hosts"),
    icon="device-desktop",
    by=_("Name, remarks, host, address or id"),
    listed_at="manage-vms",
    find=_rows(lambda user, text: _brief(vms_managed_by(user), text), _vm),
)
HOSTS_OF_SITES: Final = Kind(
    label=_("Hosts"),
    icon="server-2",
    by=HOSTS.placeholder,
    listed_at="manage-overview",
    find=_hosts,
)
SITES: Final = Kind(
    label=_("Sites"),
    icon="map-pin",
    by=_("Name"),
    find=_rows(lambda user, text: sites_for(user).filter(name__icontains=text), _site),
)
OFFERED_IMAGES: Final = Kind(
    label=_("Images"),
    icon="photo",
    by=IMAGES.placeholder,
    listed_at="images",
    find=_rows(lambda user, text: images_offered_to(user).filter(IMAGES.find(text)), _image),
)
MANAGED_IMAGES: Final = Kind(
    label=_("Images at your sites"),
    icon="photo",
    by=IMAGES.placeholder,
    listed_at="manage-images",
    find=_rows(lambda user, text: images_at_sites_of(user).filter(IMAGES.find(text)), _image),
)
OWN_PROJECTS: Final = Kind(
    label=_("Your projects"),
    icon="folder",
    by=_("Name"),
    find=_rows(
        lambda user, text: projects_for(user).filter(name__icontains=text),
        lambda project: Hit(project.name, reverse("project-detail", args=[project.pk])),
    ),
)
PROJECTS_OF_ALL: Final = Kind(
    label=_("Projects"),
    icon="folder",
    by=PROJECTS.placeholder,
    listed_at="manage-projects",
    find=_rows(
        lambda user, text: projects_visible_to(user).filter(PROJECTS.find(text)),
        lambda project: Hit(project.name, reverse("manage-project", args=[project.pk])),
    ),
)
USERS_OF_ALL: Final = Kind(
    label=_("Users"),
    icon="users",
    by=USERS.placeholder,
    listed_at="manage-users",
    find=_rows(
        lambda user, text: users_for(user).filter(USERS.find(text)),
        lambda found: Hit(found.name, reverse("manage-user", args=[found.pk]), found.email),
    ),
)
PAGES: Final = Kind(label=_("Pages"), icon="link", by=_("Name"), find=_pages)
