"""Where Eve and libvirt differ. It is shown and chosen about, never mended by itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet
from django.utils.functional import cached_property

from accounts.models import User
from hypervisors.models import Hypervisor
from hypervisors.selectors import hypervisors_for

from .models import DiscoveredDomain, Vm, VmState
from .selectors import discovered_for, vms_managed_by


@dataclass(frozen=True)
class Drift:
    """All differences at the hosts that one staff member manages."""

    user: User

    @cached_property
    def changed(self) -> QuerySet[Vm]:
        """VMs whose vCPUs or memory on the host are other than agreed."""
        return changed_vms(vms_managed_by(self.user)).select_related("project", "hypervisor__site")

    @cached_property
    def missing(self) -> QuerySet[Vm]:
        """VMs that their hosts no longer have."""
        return vms_managed_by(self.user).filter(state=VmState.MISSING).select_related("project", "hypervisor__site")

    @cached_property
    def unknown(self) -> QuerySet[DiscoveredDomain]:
        """Domains that Eve does not have."""
        return discovered_for(self.user).filter(is_conflict=False)

    @cached_property
    def conflicts(self) -> QuerySet[DiscoveredDomain]:
        """Domains with the UUID of another host's VM."""
        return discovered_for(self.user).filter(is_conflict=True)

    @cached_property
    def counts(self) -> list[Hypervisor]:
        """Hosts that report another number of domains than Eve has VMs there (``vm_count``)."""
        here = Count("vms", filter=~Q(vms__state__in=(VmState.MISSING, VmState.CREATING)))
        hosts = hypervisors_for(self.user).filter(domain_count__isnull=False).annotate(vm_count=here)
        return list(hosts.exclude(vm_count=F("domain_count")).select_related("site"))

    @cached_property
    def total(self) -> int:
        """How many differences somebody should look at; a count that differs follows from the others."""
        parts: tuple[QuerySet[Vm] | QuerySet[DiscoveredDomain], ...] = (
            self.changed,
            self.missing,
            self.unknown,
            self.conflicts,
        )
        return sum(part.count() for part in parts)


def changed_vms(vms: QuerySet[Vm]) -> QuerySet[Vm]:
    """Those of `vms` that are there, but with other vCPUs or memory than agreed."""
    other = (Q(seen_vcpus__isnull=False) & ~Q(seen_vcpus=F("vcpus"))) | (
        Q(seen_memory_bytes__isnull=False) & ~Q(seen_memory_bytes=F("memory_bytes"))
    )
    return vms.filter(other)


def rightful_vms(conflicts: QuerySet[DiscoveredDomain]) -> dict[UUID, Vm]:
    """The VMs that those domains' UUIDs belong to."""
    return {
        vm.pk: vm for vm in Vm.objects.filter(pk__in=conflicts.values("uuid")).select_related("hypervisor", "project")
    }
