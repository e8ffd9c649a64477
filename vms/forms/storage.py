"""Forms of images, sizes and quotas. They check shapes; the services decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from eve_agent.wire.checks import MAX_URL

from accounts.models import Project
from common.fields import NameChoiceField
from common.sentences import gettext_lazy as _
from hypervisors.models import Site
from vms.models import ImageFormat, ImageKind, Quota, Size
from vms.quotas import LIMITS, caption_of
from vms.services import NewImage

GIB = 2**30
_TEXT = {"class": "form-control", "autocomplete": "off"}
_SELECT = {"class": "form-select"}


class ImageForm(forms.Form):
    """A new image, whatever its bytes come from."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("As others find it, such as “Debian 12, cloud”."),
        widget=forms.TextInput(attrs=_TEXT),
    )
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=ImageKind.choices,
        help_text=_("A cloud image is a disk that cloud-init prepares; an ISO is a CD to install or boot from."),
        widget=forms.Select(attrs=_SELECT),
    )
    format = forms.ChoiceField(
        label=_("Format"),
        choices=ImageFormat.choices,
        help_text=_("Its bytes are read as what you choose here, never as what they look like. An ISO is raw."),
        widget=forms.Select(attrs=_SELECT),
    )
    project = NameChoiceField(
        label=_("For"), queryset=Project.objects.none(), required=False, widget=forms.Select(attrs=_SELECT)
    )
    site = NameChoiceField(
        label=_("Site"),
        queryset=Site.objects.none(),
        required=False,
        empty_label=_("Where there is most space"),
        help_text=_("Machines are made from it at the site where it is."),
        widget=forms.Select(attrs=_SELECT),
    )
    sha256 = forms.RegexField(
        label=_("SHA-256 (optional)"),
        regex=r"^[0-9a-fA-F]{64}$",
        required=False,
        help_text=_("From the publisher's page: what comes is then compared with it."),
        error_messages={"invalid": _("64 hexadecimal digits (0-9, a-f), or leave it empty.")},
        widget=forms.TextInput(attrs={**_TEXT, "spellcheck": "false"}),
    )

    def __init__(
        self, *args: Any, projects: QuerySet[Project], sites: QuerySet[Site], may_be_public: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        project, site = self.fields["project"], self.fields["site"]
        assert isinstance(project, forms.ModelChoiceField)
        assert isinstance(site, forms.ModelChoiceField)
        project.queryset, site.queryset = projects, sites
        project.required = not may_be_public
        project.empty_label = str(_("Everybody (public)")) if may_be_public else None

    def wanted(self) -> NewImage:
        """What was asked for, of a form that is valid."""
        data = self.cleaned_data
        return NewImage(
            name=data["name"],
            site=data.get("site"),
            project=data["project"],
            kind=data["kind"],
            format=data["format"],
            sha256=data.get("sha256", "").lower(),
        )


class ImageTakeForm(ImageForm):
    """An image of a file in a pool: it is where the pool is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, sites=Site.objects.none(), **kwargs)
        del self.fields["site"], self.fields["sha256"]


class ImageAddressForm(ImageForm):
    """An image that a host fetches."""

    url = forms.CharField(
        label=_("Address"),
        max_length=MAX_URL,
        help_text=_("https://… of the file itself. A host of the site fetches it."),
        widget=forms.URLInput(attrs={**_TEXT, "placeholder": "https://"}),
    )
    field_order = ["url", "name", "kind", "format", "project", "site", "sha256"]


class ImageChangeForm(forms.Form):
    """Name and remarks of an image."""

    name = forms.CharField(label=_("Name"), max_length=100, widget=forms.TextInput(attrs=_TEXT))
    remarks = forms.CharField(
        label=_("Remarks"),
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 3}),
    )


class SizeForm(forms.Form):
    """A size, in GiB."""

    name = forms.CharField(label=_("Name"), max_length=50, widget=forms.TextInput(attrs=_TEXT))
    vcpus = forms.IntegerField(label=_("vCPUs"), min_value=1, widget=forms.NumberInput(attrs=_TEXT))
    memory = forms.DecimalField(
        label=_("Memory in GiB"), min_value=0, max_digits=10, decimal_places=3, widget=forms.NumberInput(attrs=_TEXT)
    )
    disk = forms.DecimalField(
        label=_("Disk in GiB"), min_value=0, max_digits=10, decimal_places=3, widget=forms.NumberInput(attrs=_TEXT)
    )

    def values(self) -> dict[str, Any]:
        """What the services take, of a form that is valid."""
        data = self.cleaned_data
        return {
            "name": data["name"],
            "vcpus": data["vcpus"],
            "memory_bytes": _whole_mib(data["memory"]),
            "disk_bytes": _whole_mib(data["disk"]),
        }

    @staticmethod
    def initial_of(size: Size) -> dict[str, Any]:
        """What a form about that size begins with."""
        return {
            "name": size.name,
            "vcpus": size.vcpus,
            "memory": _gib(size.memory_bytes),
            "disk": _gib(size.disk_bytes),
        }


class QuotaForm(forms.Form):
    """Limits of a project; empty is the installation's default."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in LIMITS.items():
            caption = caption_of(name, label)
            is_bytes = name.endswith("_bytes")
            default = settings.QUOTA[name]
            shown = default // GIB if is_bytes else default
            self.fields[name] = forms.IntegerField(
                label=_("%(what)s in GiB") % {"what": caption} if is_bytes else caption,
                min_value=0,
                max_value=2**31 - 1,
                required=False,
                help_text=_("Empty: %(default)s, as everywhere.") % {"default": shown or _("any amount")},
                widget=forms.NumberInput(attrs=_TEXT),
            )

    def limits(self) -> dict[str, int | None]:
        """What the services take, of a form that is valid."""
        return {
            name: value * GIB if value is not None and name.endswith("_bytes") else value
            for name, value in self.cleaned_data.items()
        }

    @staticmethod
    def initial_of(quota: Quota | None) -> dict[str, Any]:
        """What a form about that project begins with."""
        own = {name: getattr(quota, name) for name in LIMITS} if quota else {}
        return {
            name: value // GIB if value is not None and name.endswith("_bytes") else value
            for name, value in own.items()
        }


def _whole_mib(gib: Any) -> int:
    return int(gib * 1024) * 2**20


def _gib(count: int) -> str:
    return f"{count / GIB:.3f}".rstrip("0").rstrip(".")
