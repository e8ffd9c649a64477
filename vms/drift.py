"""Where Eve and libvirt differ. It is shown and chosen about, never mended by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet
from django.utils.functional import cached_property

from accounts.models import User
from hypervisors.models import Hypervisor
from hypervisors.selectors import hypervisors_for
from operations.models import ACTIVE_STATES, Operation, OperationState
from operations.selectors import recent_operations

from .comparing import Difference, differences_of
from .models import DiscoveredDomain, Vm, VmState
from .selectors import discovered_for, vms_managed_by

RESTORE = "vm.restore"
"""The kind of operation that gives a host again what is agreed."""


@dataclass(frozen=True)
class Drift:
    """All differences at the hosts that one staff member manages."""

    user: User

    @cached_property
    def changed(self) -> QuerySet[Vm]:
        """VMs that are other on the host than agreed."""
        return changed_vms(vms_managed_by(self.user)).select_related("project", "hypervisor__site")

    @cached_property
    def missing(self) -> QuerySet[Vm]:
        """VMs that their hosts no longer have (``snapshot_count``)."""
        missing = vms_managed_by(self.user).filter(state=VmState.MISSING).select_related("project", "hypervisor__site")
        return missing.annotate(snapshot_count=Count("snapshots", distinct=True))

    @cached_property
    def differing(self) -> QuerySet[Vm]:
        """Both: VMs of which there is something to choose."""
        both = Q(pk__in=self.changed.order_by().values("pk")) | Q(state=VmState.MISSING)
        return vms_managed_by(self.user).filter(both).select_related("project", "hypervisor__site")

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
        vms = vms_managed_by(self.user)
        missing = vms.filter(state=VmState.MISSING)
        return changed_vms(vms).count() + missing.count() + discovered_for(self.user).count()


def changed_vms(vms: QuerySet[Vm]) -> QuerySet[Vm]:
    """Those of `vms` that are there, but with other vCPUs, memory, disks or cards than agreed; not while Eve changes them."""
    changing = Operation.objects.filter(target_type="vm", state__in=ACTIVE_STATES).values("target_id")
    return vms.filter(is_other=True).exclude(pk__in=changing)


def has_other_size(vm: Vm) -> bool:
    """Whether its host has other vCPUs or memory for it than agreed."""
    seen = (vm.seen_vcpus, vm.vcpus), (vm.seen_memory_bytes, vm.memory_bytes)
    return any(there not in (None, agreed) for there, agreed in seen)


@dataclass(frozen=True, slots=True)
class Entry:
    """A VM that is other than agreed, or gone, as pages and API tell it."""

    vm: Vm
    operation: Operation | None = None
    """Its newest of the last quarter of an hour."""

    @property
    def differences(self) -> list[Difference]:
        """Its disks and cards that differ."""
        return differences_of(self.vm)

    @property
    def is_missing(self) -> bool:
        """Whether its host no longer has it."""
        return self.vm.state == VmState.MISSING

    @property
    def has_other_size(self) -> bool:
        """Whether its vCPUs or memory differ."""
        return has_other_size(self.vm)

    @property
    def can_restore(self) -> bool:
        """Whether Eve knows enough of it."""
        return self.vm.is_made_by_eve or not self.is_missing

    @property
    def failure(self) -> str:
        """Why it could not be restored a moment ago, in words; else empty."""
        operation = self.operation
        if operation is None or operation.kind != RESTORE or operation.state != OperationState.FAILED:
            return ""
        return str((operation.error or {}).get("detail", ""))

    @property
    def is_being_restored(self) -> bool:
        """Whether that is under way."""
        return self.operation is not None and self.operation.kind == RESTORE and self.operation.is_active


def entries_of(vms: Iterable[Vm]) -> list[Entry]:
    """One for each; one query, however many there are."""
    rows = list(vms)
    operations = recent_operations(target_type="vm", target_ids=[vm.pk for vm in rows])
    return [Entry(vm, operations.get(vm.pk)) for vm in rows]


def rightful_vms(uuids: Iterable[UUID]) -> dict[UUID, Vm]:
    """The VMs that these UUIDs belong to."""
    return {vm.pk: vm for vm in Vm.objects.filter(pk__in=uuids).select_related("hypervisor", "project")}
