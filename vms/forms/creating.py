"""Forms of the pages of virtual machines. They check shapes; the services decide."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

from django import forms
from django.db.models import Count, Q, QuerySet
from django.http import QueryDict
from eve_agent.wire.checks import MAX_NETWORK_CONFIG_BYTES, MAX_USER_DATA_BYTES, MAX_VCPUS

from accounts.models import Project, Role, SshKey, User
from accounts.selectors import projects_for, ssh_keys_for
from common.errors import EveError
from common.pages import uuid_of
from common.sentences import gettext as _
from hypervisors.models import Hypervisor, HypervisorState, Site
from hypervisors.selectors import hypervisors_for
from operations.models import Operation
from vms.errors import NameTaken, NoRoom, QuotaExceeded
from vms.images import images_for, sites_known_to, sizes_offered
from vms.models import Firmware, Image, ImageState, Size
from vms.networks import default_plug, plugs_for
from vms.placement import pools_of
from vms.services import NewDisk, NewNic, NewVm
from vms.services.creating import first_disk_bytes

GIB, MIB = 2**30, 2**20
OWN = "own"
_PLACES = {
    "vcpus": "vcpus",
    "memory_bytes": "memory_gib",
    "disks": "disk_gib",
    "nics": "nics",
    "ssh_keys": "another_key",
    "network_config": "network_config",
    "user_data": "user_data",
    "image": "image",
    "name": "name",
}
"""Beside which field a mistake is shown that a service found, by the service's name for it."""


class NewVmForm(forms.Form):
    """What makes a virtual machine. Everything but the name has a default."""

    key = forms.UUIDField()
    """One form makes one machine, however often it is sent."""
    name = forms.CharField(error_messages={"required": ""})
    project = forms.ModelChoiceField(Project.objects.none())
    image = forms.ModelChoiceField(Image.objects.none(), required=False)
    size = forms.CharField(required=False, max_length=36)
    vcpus = forms.IntegerField(required=False, min_value=1, max_value=MAX_VCPUS)
    memory_gib = forms.DecimalField(required=False, min_value=0, max_digits=9, decimal_places=4)
    disk_gib = forms.IntegerField(required=False, min_value=1, max_value=65_536)
    pool = forms.ChoiceField(required=False)
    more_disks = forms.CharField(required=False, max_length=200)
    site = forms.ModelChoiceField(Site.objects.none(), required=False)
    hypervisor = forms.ModelChoiceField(Hypervisor.objects.none(), required=False)
    nics = forms.MultipleChoiceField(required=False)
    keys = forms.ModelMultipleChoiceField(SshKey.objects.none(), required=False)
    another_key = forms.CharField(required=False, max_length=20_000)
    password = forms.CharField(required=False, max_length=128, strip=False)
    user_data = forms.CharField(required=False, max_length=MAX_USER_DATA_BYTES, strip=False)
    network_config = forms.CharField(required=False, max_length=MAX_NETWORK_CONFIG_BYTES, strip=False)
    firmware = forms.ChoiceField(choices=Firmware.choices, required=False)
    devices = forms.ChoiceField(choices=[("virtio", ""), ("legacy", "")], required=False)
    autostart = forms.BooleanField(required=False)
    start = forms.BooleanField(required=False)
    remarks = forms.CharField(required=False, max_length=10_000)

    def __init__(
        self, data: Any = None, *, user: User, wanted_project: str = "", again: Operation | None = None
    ) -> None:
        self.sizes: Sequence[Size] = list(sizes_offered())
        hosts = _hosts_at(sites_open_to(user))
        self.plugs = plugs_for(user, hosts)
        self.pools = pools_of(hosts)
        """Those that its disks may be made in, by name, each with the most space in bytes that it has on a host."""
        self.ssh_keys = ssh_keys_for(user)
        self.projects = _projects(user)
        start = self._start(user, wanted_project)
        super().__init__(data, initial={**start, **self._chosen(again)} if again else start)
        self.fields["name"].error_messages["required"] = _("Give it a name.")
        _offer(self, "project", self.projects)
        usable = Q(project=None) | Q(project__in=self.projects.order_by().values("pk"))
        _offer(self, "image", images_for(user).filter(usable, state=ImageState.READY))
        _offer(self, "site", sites_open_to(user))
        _offer(self, "hypervisor", hypervisors_for(user).filter(state=HypervisorState.ONLINE).select_related("site"))
        _offer(self, "keys", self.ssh_keys)
        nics = self.fields["nics"]
        assert isinstance(nics, forms.MultipleChoiceField)
        nics.choices = [(f"{kind}:{name}", name) for kind, name in self.plugs]
        pool = self.fields["pool"]
        assert isinstance(pool, forms.ChoiceField)
        pool.choices = [("", ""), *((name, name) for name in self.pools)]

    @property
    def images(self) -> QuerySet[Image]:
        """What it may be made from."""
        return _offered(self, "image").select_related("site", "project")

    @property
    def lacks_image(self) -> bool:
        """Whether the image that it is to be made from is none of those any more."""
        chosen = uuid_of(str(self["image"].value() or ""))
        return chosen is not None and not self.images.filter(pk=chosen).exists()

    @property
    def sites(self) -> QuerySet[Site]:
        """Where it may be made."""
        return _offered(self, "site")

    @property
    def hosts(self) -> QuerySet[Hypervisor]:
        """On which hosts the user may have it made; empty for customers."""
        return _offered(self, "hypervisor")

    def clean_image(self) -> Image | None:
        """None for an empty disk, which is chosen like an image."""
        if self.add_prefix("image") not in self.data:
            raise forms.ValidationError(_("Choose an image, or an empty disk."))
        image: Image | None = self.cleaned_data["image"]
        return image

    def clean_size(self) -> Size | None:
        """A size that is offered; None for one's own numbers."""
        chosen = self.cleaned_data["size"]
        if chosen in ("", OWN):
            return None
        size = next((size for size in self.sizes if str(size.pk) == chosen), None)
        if size is None:
            raise forms.ValidationError(_("This size is not offered any more. Choose another."))
        return size

    def clean_more_disks(self) -> list[int]:
        """In bytes, of sizes in GiB with commas between."""
        try:
            sizes = [int(text) for text in self.cleaned_data["more_disks"].replace(",", " ").split()]
        except ValueError:
            raise forms.ValidationError(_("Whole numbers of GiB with commas between, such as 20, 100.")) from None
        if not all(1 <= size <= 65_536 for size in sizes):
            raise forms.ValidationError(_("1 to 65536 GiB each."))
        return [size * GIB for size in sizes]

    def clean(self) -> dict[str, Any]:
        """An image of a project is for that one; one's own numbers have to be there where no size is chosen."""
        cleaned = super().clean() or {}
        image, project = cleaned.get("image"), cleaned.get("project")
        if image and project and image.project_id not in (None, project.pk):
            detail = _("Image %(name)s belongs to project %(project)s. Choose that project, or another image.")
            self.add_error("image", detail % {"name": image.name, "project": image.project.name})
        if "size" in cleaned and cleaned["size"] is None:
            for field in ("vcpus", "memory_gib"):
                if cleaned.get(field) is None and field not in self.errors:
                    self.add_error(field, _("Give a number, or choose a size."))
        return cleaned

    def wanted(self) -> NewVm:
        """What was asked for, once the form is valid."""
        given = self.cleaned_data
        size: Size | None = given["size"]
        first = size.disk_bytes if size else (given["disk_gib"] or 0) * GIB
        sizes = (first or first_disk_bytes(given["image"]), *given["more_disks"])
        memory = size.memory_bytes if size else int(given["memory_gib"] * GIB) // MIB * MIB
        return NewVm(
            name=given["name"],
            vcpus=size.vcpus if size else given["vcpus"],
            memory_bytes=memory,
            disks=[NewDisk(size_bytes, given["pool"]) for size_bytes in sizes],
            nics=self._nics(),
            image=given["image"],
            site=given["site"],
            hypervisor=given["hypervisor"],
            ssh_keys=self._keys(),
            password=given["password"],
            user_data=given["user_data"],
            network_config=given["network_config"],
            firmware=given["firmware"] or Firmware.BIOS,
            has_legacy_devices=given["devices"] == "legacy",
            is_autostarted=given["autostart"],
            is_started=given["start"],
            remarks=given["remarks"],
        )

    def refuse(self, error: EveError) -> None:
        """Shows what a service refused beside the field that it is about."""
        found = error.members.get("errors")
        if isinstance(found, dict):
            for name, words in found.items():
                self.add_error(_PLACES.get(name), list(words))
        else:
            places: dict[type[EveError], str] = {NameTaken: "name", QuotaExceeded: "size", NoRoom: "site"}
            self.add_error(places.get(type(error)), str(error.detail))

    def renew(self) -> None:
        """Lets what was changed since it was sent make another machine."""
        changed = cast("QueryDict", self.data).copy()
        changed["key"] = str(uuid4())
        self.data = changed

    def _nics(self) -> list[NewNic] | None:
        if not self.plugs:
            return None
        chosen = [choice.partition(":") for choice in self.cleaned_data["nics"]]
        return [NewNic(source=name, kind=kind) for kind, _colon, name in chosen]

    def _keys(self) -> list[str]:
        """None for an image that would not read them: those that are ticked by themselves are no reason to refuse."""
        image: Image | None = self.cleaned_data["image"]
        typed = [line for line in self.cleaned_data["another_key"].splitlines() if line.strip()]
        if image is None or image.kind != "cloud":
            return typed
        return [*(key.line for key in self.cleaned_data["keys"]), *typed]

    def _start(self, user: User, wanted_project: str) -> dict[str, Any]:
        projects = {str(project.pk): project for project in self.projects}
        mine = str(user.personal_project.pk)
        return {
            "key": str(uuid4()),
            "project": wanted_project if wanted_project in projects else mine,
            "size": str(self.sizes[0].pk) if self.sizes else OWN,
            "vcpus": 1,
            "memory_gib": 1,
            "disk_gib": 10,
            "nics": [":".join(default_plug())],
            "keys": [key.pk for key in self.ssh_keys],
            "firmware": Firmware.BIOS.value,
            "devices": "virtio",
            "start": True,
        }

    def _chosen(self, again: Operation) -> dict[str, Any]:
        """What was chosen for a machine that was not made, as the form shows it."""
        wanted = again.arguments.get("wanted")
        if not wanted:
            return {"name": again.target_label}
        disks = wanted["disks"] or [[0, ""]]
        numbers = (wanted["vcpus"], wanted["memory_bytes"], disks[0][0])
        sizes = (size for size in self.sizes if (size.vcpus, size.memory_bytes, size.disk_bytes) == numbers)
        size = next(sizes, None)
        chosen = {
            "name": again.target_label,
            "image": wanted["image"],
            "site": wanted["site"],
            "hypervisor": wanted["hypervisor"],
            "size": str(size.pk) if size else OWN,
            "vcpus": wanted["vcpus"],
            "memory_gib": f"{Decimal(wanted['memory_bytes']) / GIB:f}",
            "disk_gib": disks[0][0] // GIB or "",
            "pool": disks[0][1],
            "more_disks": ", ".join(str(size_bytes // GIB) for size_bytes, _pool in disks[1:]),
            "firmware": wanted["firmware"],
            "devices": "legacy" if wanted["has_legacy_devices"] else "virtio",
            "autostart": wanted["is_autostarted"],
            "start": again.arguments["is_started"],
            "remarks": wanted["remarks"],
        }
        if wanted["nics"] is not None:
            chosen["nics"] = [":".join(nic) for nic in wanted["nics"]]
        return chosen


def sites_open_to(user: User) -> QuerySet[Site]:
    """The sites that the user knows and at which a host answers, with the number of those as ``host_count``."""
    online = Count("hypervisors", filter=Q(hypervisors__state=HypervisorState.ONLINE))
    known = Site.objects.filter(pk__in=sites_known_to(user).order_by().values("pk"))
    return known.annotate(host_count=online).filter(host_count__gt=0).order_by("name")


def _projects(user: User) -> QuerySet[Project]:
    may = Q(memberships__user=user, memberships__role__in=(Role.OWNER, Role.OPERATOR))
    return projects_for(user).filter(may).order_by("name", "id")


def _hosts_at(sites: QuerySet[Site]) -> list[Hypervisor]:
    """Those of these sites that answer."""
    return list(Hypervisor.objects.filter(state=HypervisorState.ONLINE, site__in=list(sites)).order_by("name"))


def _offer(form: forms.Form, field: str, rows: QuerySet[Any]) -> None:
    choice = form.fields[field]
    assert isinstance(choice, forms.ModelChoiceField)
    choice.queryset = rows


def _offered(form: forms.Form, field: str) -> QuerySet[Any]:
    choice = form.fields[field]
    assert isinstance(choice, forms.ModelChoiceField)
    assert choice.queryset is not None
    return choice.queryset
