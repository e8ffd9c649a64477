"""What is read of virtual machines, always through the eyes of a user."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from accounts.models import Membership, Project, Role, User
from accounts.selectors import is_unlimited_staff, projects_for, role_allows, role_in
from hypervisors.selectors import hypervisors_for

from .facts import CDROM, boot_devices, domain_of
from .models import DiscoveredDomain, Disk, Vm, VmState

TROUBLE_STATES = (VmState.CRASHED, VmState.MISSING)
"""Somebody must act."""
_LISTED = (
    *("name", "vcpus", "memory_bytes", "state", "state_reason", "state_since", "facts", "guest", "guest_asked_at"),
    *("project__name", "hypervisor__name", "hypervisor__site__name"),
)


def vms_for(user: User) -> QuerySet[Vm]:
    """The VMs of the user's projects, whatever the role."""
    return Vm.objects.filter(project__in=projects_for(user))


def vms_managed_by(user: User) -> QuerySet[Vm]:
    """The VMs on hypervisors that the user manages as staff."""
    if is_unlimited_staff(user):
        return Vm.objects.all()
    return Vm.objects.filter(hypervisor__in=hypervisors_for(user))


def vms_visible_to(user: User) -> QuerySet[Vm]:
    """The VMs that exist for the user: those of their projects, and what they manage."""
    if is_unlimited_staff(user):
        return Vm.objects.all()
    visible = Q(project__in=projects_for(user))
    if user.is_staff:
        visible |= Q(hypervisor__in=hypervisors_for(user))
    return Vm.objects.filter(visible)


def vm_for(user: User, vm_id: UUID) -> Vm | None:
    """The VM with its project, host and site, if it exists for the user."""
    return vms_visible_to(user).select_related("project", "hypervisor__site").filter(pk=vm_id).first()


def listed(vms: QuerySet[Vm]) -> QuerySet[Vm]:
    """These VMs with what cards in lists show of them, and of their project, host and site: a whole row takes half as long again to read."""
    return vms.select_related("project", "hypervisor__site").only(*_LISTED)


def discovered_for(user: User) -> QuerySet[DiscoveredDomain]:
    """The domains that hosts report and Eve does not have, on hypervisors that the user manages."""
    return DiscoveredDomain.objects.filter(hypervisor__in=hypervisors_for(user)).select_related("hypervisor__site")


def role_on(user: User, vm: Vm) -> Role | None:
    """What the user may do to the VM: the role in its project; who manages its host is at least an operator."""
    role = role_in(user, vm.project)
    if role is not None and role_allows(role, Role.OPERATOR):
        return role
    if user.is_staff and hypervisors_for(user).filter(pk=vm.hypervisor_id).exists():
        return Role.OPERATOR
    return role


def projects_known_to(user: User) -> QuerySet[Project]:
    """The active projects that a staff member gives machines to: all, or, limited to sites, one's own and those that have something there."""
    active = Project.objects.filter(is_active=True).order_by("name", "id")
    if is_unlimited_staff(user):
        return active
    hosts = hypervisors_for(user)
    return active.filter(
        Q(pk__in=projects_for(user).order_by().values("pk"))
        | Q(pk__in=Vm.objects.filter(hypervisor__in=hosts).order_by().values("project"))
        | Q(pk__in=Disk.objects.filter(hypervisor__in=hosts).order_by().values("project"))
    )


def projects_open_to(user: User, vm: Vm) -> QuerySet[Project]:
    """Where the user may move the VM to, its own project too: staff who manage its host to those they know, owners where they may make machines."""
    if hypervisors_for(user).filter(pk=vm.hypervisor_id).exists():
        return projects_known_to(user)
    mine = Membership.objects.filter(user=user)
    if not mine.filter(project=vm.project_id, role=Role.OWNER).exists():
        return Project.objects.none()
    active = Project.objects.filter(is_active=True).order_by("name", "id")
    return active.filter(pk__in=mine.filter(role__in=(Role.OWNER, Role.OPERATOR)).values("project"))


def boot_order_of(vm: Vm) -> list[str]:
    """What a VM that Eve made boots from at its next start: as was chosen, else as its host has it."""
    known = {CDROM, *(str(pk) for pk in vm.disks.values_list("pk", flat=True)), *vm.nics.values_list("mac", flat=True)}
    chosen = vm.boot_devices or boot_devices(domain_of(vm.facts))
    return [device for device in chosen if device in known]


def roles_on(user: User, vms: Iterable[Vm]) -> dict[UUID, Role]:
    """:func:`role_on` for many VMs, with two queries."""
    roles = {
        row.project_id: Role(row.role)
        for row in Membership.objects.filter(user=user, project__is_active=True).only("project_id", "role")
    }
    managed = set(hypervisors_for(user).values_list("pk", flat=True)) if user.is_staff else set()
    found: dict[UUID, Role] = {}
    for vm in vms:
        role = roles.get(vm.project_id)
        if vm.hypervisor_id in managed and not (role and role_allows(role, Role.OPERATOR)):
            role = Role.OPERATOR
        if role is not None:
            found[vm.pk] = role
    return found


def trouble_first(vms: QuerySet[Vm]) -> QuerySet[Vm]:
    """What somebody must look at first, then by name."""
    places = {VmState.CRASHED: 0, VmState.MISSING: 0, VmState.UNKNOWN: 1, VmState.PAUSED: 2, VmState.OFF: 4}
    place = Case(
        *(When(state=state, then=Value(rank)) for state, rank in places.items()),
        default=Value(3),
        output_field=IntegerField(),
    )
    return vms.annotate(attention=place).order_by("attention", "name", "id")


def state_counts(vms: QuerySet[Vm]) -> dict[str, int]:
    """How many of these VMs are in each state; states without any are absent."""
    rows = vms.order_by().values_list("state").annotate(count=Count("*"))
    return dict(rows)
