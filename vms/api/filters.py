"""What lists of VMs may be narrowed and ordered by."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from django.db.models import QuerySet

from vms.listing import search_vms
from vms.models import DiscoveredDomain, Disk, Image, ImageKind, ImageState, Vm, VmState


class VmFilter(django_filters.FilterSet):
    """Query parameters of ``GET /vms``."""

    state = django_filters.MultipleChoiceFilter(choices=VmState.choices, distinct=False)
    project = django_filters.UUIDFilter(field_name="project_id")
    hypervisor = django_filters.UUIDFilter(field_name="hypervisor_id")
    site = django_filters.UUIDFilter(field_name="hypervisor__site_id")
    search = django_filters.CharFilter(method="searched", max_length=200)

    class Meta:
        model = Vm
        fields: ClassVar[list[str]] = []

    def searched(self, queryset: QuerySet[Vm], _name: str, value: str) -> QuerySet[Vm]:
        """Those that hold the text."""
        return search_vms(queryset, value)


class ImageFilter(django_filters.FilterSet):
    """Query parameters of ``GET /images``."""

    kind = django_filters.ChoiceFilter(choices=ImageKind.choices)
    state = django_filters.ChoiceFilter(choices=ImageState.choices)
    project = django_filters.UUIDFilter(field_name="project_id")
    site = django_filters.UUIDFilter(field_name="site_id")
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=100)

    class Meta:
        model = Image
        fields: ClassVar[list[str]] = []


class KeptDiskFilter(django_filters.FilterSet):
    """Query parameters of ``GET /disks``."""

    project = django_filters.UUIDFilter(field_name="project_id")
    hypervisor = django_filters.UUIDFilter(field_name="hypervisor_id")

    class Meta:
        model = Disk
        fields: ClassVar[list[str]] = []


class DiscoveredDomainFilter(django_filters.FilterSet):
    """Query parameters of ``GET /discovered-domains``."""

    hypervisor = django_filters.UUIDFilter(field_name="hypervisor_id")
    is_conflict = django_filters.BooleanFilter()

    class Meta:
        model = DiscoveredDomain
        fields: ClassVar[list[str]] = []
