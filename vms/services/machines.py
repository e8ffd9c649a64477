"""Virtual machines that are there: their state, who has them, what differs from libvirt."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils import timezone
from eve_agent.wire.domain import StateAction

from accounts.models import AuditOutcome, Project, Role, User
from accounts.selectors import role_allows, role_in
from accounts.services import audit_record
from common.sentences import gettext_lazy as _
from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.selectors import hypervisors_for
from operations.models import Operation
from operations.selectors import active_operations
from operations.services import operation_create
from vms import live
from vms.disks import disks_keep
from vms.errors import (
    ActionNotAllowed,
    ActionUnknown,
    AdoptionRefused,
    ForgetRefused,
    NameTaken,
    VmHostAway,
    VmNotFound,
    WrongState,
)
from vms.facts import domain_of
from vms.inventory import domain_to_vm
from vms.models import DiscoveredDomain, Disk, Vm, VmState
from vms.quotas import Amounts
from vms.selectors import role_on
from vms.signals import vm_deleted, vm_moved
from vms.states import ALLOWED_IN, kind_of, refusal_words

from .quotas import quota_reserve

MAX_REMARKS = 10_000


def vm_change_state(*, vm: Vm, action: str, user: User) -> Operation:
    """Queues a power action.

    Asked for the same again while it is under way, the operation that does it already is returned.

    Raises:
        VmNotFound: the VM is not the user's, or was deleted meanwhile.
        ActionNotAllowed: the user may only look.
        ActionUnknown: `action` is no :class:`eve_agent.wire.domain.StateAction`.
        VmHostAway: its host cannot be asked.
        WrongState: the VM's state does not allow it.
        operations.errors.OperationRunning: another change of this VM is under way.
    """
    wanted = _action(action)
    require_operator(user, vm, action=kind_of(wanted))
    active = active_operations(target_type="vm", target_ids=[vm.pk]).get(vm.pk)
    if active is None:
        require_host(vm)
        if vm.state not in ALLOWED_IN[wanted]:
            raise WrongState(refusal_words(wanted, vm.state, vm.name), state=vm.state)
    with transaction.atomic():
        operation = operation_create(kind=kind_of(wanted), target=vm, project=vm.project, user=user)
        if not Vm.objects.filter(pk=vm.pk).exists():  # the change that was under way until now was its end
            raise VmNotFound
    return operation


def vm_update(*, vm: Vm, user: User, remarks: str) -> Vm:
    """Changes what people wrote about it. Raises VmNotFound or ActionNotAllowed."""
    require_operator(user, vm, action="vm.update")
    vm.remarks = remarks[:MAX_REMARKS]
    vm.save(update_fields=["remarks"])
    audit_record(action="vm.update", actor=user, target=vm, project=vm.project)
    return vm


def vm_adopt(*, discovered: DiscoveredDomain, project: Project, user: User | None) -> Vm:
    """Makes a discovered domain a VM of `project`'s; the domain itself is not touched. Again for the same project: the same VM.

    Whoever adopts it manages its host; None is Eve's own command line, which may. A display that listens beyond loopback is no reason to refuse, but one to warn:
    :func:`vms.facts.exposed_displays`.

    Raises:
        VmNotFound: the user does not manage that host.
        AdoptionRefused: another host's VM or another project has it, the project is not active, or the host has not described it.
    """
    if user is not None and not hypervisors_for(user).filter(pk=discovered.hypervisor_id).exists():
        raise VmNotFound()
    if not project.is_active:
        raise AdoptionRefused(_("Project %(name)s is not active. Choose another.") % {"name": project.name})
    try:
        with transaction.atomic():
            return _owned_already(discovered, project) or _adopt(discovered, project, user)
    except (IntegrityError, DiscoveredDomain.DoesNotExist):
        vm = _owned_already(discovered, project)
        if vm is None:
            raise AdoptionRefused(_("%(name)s is not on its host any more.") % {"name": discovered.name}) from None
        return vm


def vm_move(*, vm: Vm, project: Project, user: User) -> Vm:
    """Gives the VM to another project, with its disks and snapshots. Staff who manage its host may, and its owners, to where they may make machines.

    Raises:
        VmNotFound: the VM is not the user's.
        ActionNotAllowed: the user may not give it away, or not to that project.
        WrongState: a change of it is under way, or the project is not active.
        NameTaken, QuotaExceeded: of that project.
    """
    vm = Vm.objects.select_related("project", "hypervisor").get(pk=vm.pk)
    _require_mover(user, vm, project)  # outside of the transaction, so that a refusal's audit is kept
    return _move(vm, project, user)


def _require_mover(user: User, vm: Vm, project: Project) -> None:
    if hypervisors_for(user).filter(pk=vm.hypervisor_id).exists():
        return
    require_operator(user, vm, action="vm.move")
    there = role_in(user, project)
    if role_on(user, vm) is not Role.OWNER or there is None or not role_allows(there, Role.OPERATOR):
        audit_record(action="vm.move", actor=user, target=vm, project=vm.project, outcome=AuditOutcome.DENIED)
        raise ActionNotAllowed(
            _("Only an owner of its project may move a machine, and to a project in which they are operator or owner.")
        )


@transaction.atomic
def _move(seen: Vm, project: Project, user: User) -> Vm:
    vm = Vm.objects.select_for_update(of=("self",)).select_related("project", "hypervisor").get(pk=seen.pk)
    if vm.project_id != seen.project_id:
        raise VmNotFound  # somebody was faster
    if not project.is_active:
        raise WrongState(_("Project %(name)s is not active. Choose another.") % {"name": project.name}, state=vm.state)
    if active_operations(target_type="vm", target_ids=[vm.pk]):
        raise WrongState(
            _("A change of %(name)s is under way. Wait until it has ended, then try again.") % {"name": vm.name},
            state=vm.state,
        )
    if vm.project_id == project.pk:
        return vm
    quota_reserve(project=project, amounts=_amounts(vm))
    before, vm.project = vm.project, project
    try:
        with transaction.atomic():
            vm.save(update_fields=["project"])
    except IntegrityError:
        raise NameTaken(
            _("Project %(project)s has a virtual machine called %(name)s already. Rename one of them first.")
            % {"project": project.name, "name": vm.name}
        ) from None
    vm.disks.update(project=project)
    for each in (before, project):
        audit_record(
            action="vm.move",
            actor=user,
            target=vm,
            project=each,
            detail={"from": str(before.pk), "to": str(project.pk)},
        )
    transaction.on_commit(partial(vm_moved.send_robust, sender=Vm, vm_id=vm.pk, project_id=project.pk), robust=True)
    live.announce([_change(vm), _change(vm, project_id=before.pk)])
    return vm


@transaction.atomic
def vm_forget(*, vm: Vm, user: User) -> None:
    """Removes a VM that its host no longer has from Eve. libvirt is not touched, and disks that Eve made stay with the project.

    Raises:
        VmNotFound: the user does not manage its host.
        ForgetRefused: it is not missing.
    """
    require_managed(user, vm)
    vm = Vm.objects.select_for_update().select_related("project", "hypervisor").get(pk=vm.pk)
    if vm.state != VmState.MISSING:
        raise ForgetRefused(
            _("%(name)s is on its host. Only a virtual machine that its host no longer has can be forgotten.")
            % {"name": vm.name}
        )
    audit_record(
        action="vm.forget", actor=user, target=vm, project=vm.project, detail={"hypervisor": vm.hypervisor.name}
    )
    vm_id, change = vm.pk, _change(vm)
    disks_keep(Disk.objects.filter(vm=vm), name=vm.name)
    vm.delete()
    transaction.on_commit(partial(vm_deleted.send_robust, sender=Vm, vm_id=vm_id, reason="forgotten"), robust=True)
    live.announce([change])


def _adopt(discovered: DiscoveredDomain, project: Project, user: User | None) -> Vm:
    discovered = DiscoveredDomain.objects.select_for_update().select_related("hypervisor").get(pk=discovered.pk)
    domain = domain_of(discovered.facts)
    if domain is None:
        raise AdoptionRefused(
            _("The host has not described this domain yet: its QEMU may not answer just now. Try again in a moment.")
        )
    now = timezone.now()
    vm = Vm(
        pk=discovered.uuid,
        project=project,
        hypervisor=discovered.hypervisor,
        vcpus=domain.vcpus,
        memory_bytes=domain.memory_bytes,
        last_seen_at=discovered.last_seen_at,
    )
    domain_to_vm(vm, domain, now)
    if discovered.hypervisor.state != HypervisorState.ONLINE:
        vm.state, vm.state_reason = VmState.UNKNOWN, discovered.hypervisor.state
    vm.save(force_insert=True)
    discovered.delete()
    audit_record(
        action="vm.adopt",
        actor=user,
        actor_label="" if user else "manage.py vm_adopt",
        target=vm,
        project=project,
        detail={"hypervisor": discovered.hypervisor.name},
    )
    live.announce([_change(vm)])
    live.announce_drift(vm.hypervisor.site_id)
    return vm


def _owned_already(discovered: DiscoveredDomain, project: Project) -> Vm | None:
    vm = Vm.objects.select_related("project", "hypervisor").filter(pk=discovered.uuid).first()
    if vm is None:
        return None
    if vm.hypervisor_id != discovered.hypervisor_id:
        raise AdoptionRefused(
            _(
                "This UUID belongs to a virtual machine on host %(host)s. If it really moved, remove it there and forget it first."
            )
            % {"host": vm.hypervisor.name}
        )
    if vm.project_id != project.pk:
        raise AdoptionRefused(_("It belongs to project %(name)s already. Move it instead.") % {"name": vm.project.name})
    return vm


def _action(name: str) -> StateAction:
    try:
        return StateAction(name)
    except ValueError:
        known = ", ".join(StateAction)
        raise ActionUnknown(_("There is no such action. Choose one of: %(known)s.") % {"known": known}) from None


def require_operator(user: User, vm: Vm, *, action: str) -> None:
    """That the user may change the VM; a refusal of `action` is audited. Raises VmNotFound or ActionNotAllowed."""
    role = role_on(user, vm)
    if role is None:
        raise VmNotFound()
    if not role_allows(role, Role.OPERATOR):
        audit_record(action=action, actor=user, target=vm, project=vm.project, outcome=AuditOutcome.DENIED)
        raise ActionNotAllowed(
            _(
                "You may look at %(name)s, but not change it. Ask an owner of project %(project)s for the operator's role."
            )
            % {"name": vm.name, "project": vm.project.name}
        )


def require_managed(user: User, vm: Vm) -> None:
    """That the user manages its host. Raises VmNotFound."""
    if not hypervisors_for(user).filter(pk=vm.hypervisor_id).exists():
        raise VmNotFound()


def require_host_up(host: Hypervisor) -> None:
    """That the host can be asked about what belongs to no VM. Raises VmHostAway."""
    if host.state != HypervisorState.ONLINE:
        raise VmHostAway(
            _("Host %(host)s cannot be asked just now. Nothing was changed. Try again when it is back.")
            % {"host": host.name}
        )


def require_host(vm: Vm) -> None:
    """That the VM's host can be asked. Raises VmHostAway."""
    host = vm.hypervisor
    if host.state == HypervisorState.ONLINE:
        return
    words = {
        HypervisorState.LIBVIRT_DOWN: _(
            "libvirt on host %(host)s does not answer, so Eve cannot change %(name)s just now."
        ),
        HypervisorState.REJECTED: _("What answers at host %(host)s is not trusted, so Eve cannot change %(name)s."),
        HypervisorState.REVOKED: _("Host %(host)s is shut out of Eve, so %(name)s cannot be changed."),
    }
    happened = words.get(
        HypervisorState(host.state), _("Host %(host)s does not answer, so Eve cannot change %(name)s just now.")
    )
    what = str(happened % {"host": host.name, "name": vm.name})
    raise VmHostAway(f"{what} {_('It may well be running. Try again when the host is back.')}", state=vm.state)


def _amounts(vm: Vm) -> Amounts:
    """What it takes of its project's quota."""
    return Amounts(
        vms=1,
        vcpus=vm.vcpus,
        memory_bytes=vm.memory_bytes,
        disk_bytes=vm.disks.aggregate(total=Sum("size_bytes", default=0))["total"],
        snapshots=vm.snapshots.count(),
    )


def _change(vm: Vm, *, project_id: UUID | None = None) -> live.VmChange:
    return live.VmChange(vm.pk, project_id or vm.project_id, vm.hypervisor.site_id, vm.state, is_new_state=False)
