"""Disks that belong to no machine just now: kept in their projects until somebody attaches or deletes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Membership, Role, User
from accounts.selectors import is_unlimited_staff, projects_for, role_allows, role_in
from hypervisors.selectors import hypervisors_for
from operations.models import Operation, OperationState
from operations.selectors import recent_operations

from .models import Disk, Vm


@dataclass(frozen=True, slots=True)
class DiskCard:
    """A kept disk as one user sees it."""

    disk: Disk
    may_change: bool
    operation: Operation | None = None
    """The newest of the last quarter of an hour."""

    @property
    def is_ending(self) -> bool:
        """Whether it is being deleted."""
        return self.operation is not None and self.operation.is_active

    @property
    def failure(self) -> str:
        """Why it could not be deleted, in words; else empty."""
        if self.operation is None or self.operation.state != OperationState.FAILED:
            return ""
        return str((self.operation.error or {}).get("detail", ""))


def kept_disks_for(user: User) -> QuerySet[Disk]:
    """Those of the user's projects, and on hosts that the user manages."""
    kept = Disk.objects.filter(vm=None).select_related("project", "hypervisor__site", "image")
    if is_unlimited_staff(user):
        return kept
    visible = Q(project__in=projects_for(user))
    if user.is_staff:
        visible |= Q(hypervisor__in=hypervisors_for(user))
    return kept.filter(visible)


def attachable_disks(vm: Vm) -> QuerySet[Disk]:
    """Those that the VM may get: of its project, on its host."""
    return Disk.objects.filter(vm=None, project=vm.project_id, hypervisor=vm.hypervisor_id).order_by("kept_since", "id")


def may_change_disk(user: User, disk: Disk) -> bool:
    """Whether the user may delete it: operators of its project, and who manages its host."""
    role = role_in(user, disk.project)
    if role is not None and role_allows(role, Role.OPERATOR):
        return True
    return hypervisors_for(user).filter(pk=disk.hypervisor_id).exists()


def disk_cards(user: User, disks: Iterable[Disk]) -> list[DiskCard]:
    """Their cards; three queries, however many there are."""
    rows = list(disks)
    mine: set[UUID] = set(
        Membership.objects.filter(user=user, project__is_active=True, role__in=(Role.OWNER, Role.OPERATOR)).values_list(
            "project_id", flat=True
        )
    )
    managed: set[UUID] = set(hypervisors_for(user).values_list("pk", flat=True)) if user.is_staff else set()
    operations = recent_operations(target_type="disk", target_ids=[disk.pk for disk in rows])
    return [
        DiskCard(disk, disk.project_id in mine or disk.hypervisor_id in managed, operations.get(disk.pk))
        for disk in rows
    ]


def disks_keep(disks: QuerySet[Disk], *, name: str) -> None:
    """Takes them from the VM called `name`: from now on they belong to their project alone."""
    disks.update(vm=None, position=0, kept_from=name, kept_since=timezone.now())
