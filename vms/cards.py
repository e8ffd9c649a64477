"""What pages and API say of VMs beyond the row itself: the caller's role, what is under way, what may be done, what to mind."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from eve_agent.wire.domain import Disk, Domain, Graphics, Nic, Resources, StateAction
from eve_agent.wire.guest import GuestInfo

from accounts.models import Role, User
from accounts.selectors import role_allows
from common.sentences import gettext_lazy as _
from hypervisors.models import HypervisorState
from operations.models import Operation, OperationState
from operations.selectors import recent_operations

from .addresses import vm_address
from .facts import domain_of, exposed_displays, guest_of, needs_restart
from .models import Vm, VmState
from .screens import KeptPicture, has_screen, last_pictures
from .selectors import TROUBLE_STATES, role_on, roles_on
from .states import DOING, DOING_SHORT, DONE, WATCHDOG, Obedience, actions_in, kind_of
from .uses import Use, uses_of

SETTLE = dt.timedelta(seconds=2)
"""As long after an operation's end the host's event of it may still come."""


ANY_SYSTEM: Final = "device-desktop"
_ICONS: Final = {"debian": "brand-debian", "ubuntu": "brand-ubuntu", "mswindows": "brand-windows"}
"""By the id that its guest's agent tells (os-release, or the agent's own for Windows)."""


@dataclass(frozen=True, slots=True)
class System:
    """An operating system, for a person."""

    name: str
    """Such as “Debian GNU/Linux 12”; empty where it is not known."""
    icon: str


@dataclass(frozen=True)
class VmCard:
    """One VM as one user sees it."""

    vm: Vm
    role: Role | None
    operation: Operation | None = None
    """The newest of the last quarter of an hour, over or not."""
    use: Use | None = None
    """Where it was asked for, and is known."""
    last_picture: KeptPicture | None = None
    """Of its screen, where it has none to show just now."""

    @property
    def selector(self) -> str:
        """The CSS selector of what shows it on a page."""
        return f"#vm-{self.vm.pk}"

    @cached_property
    def url(self) -> str:
        """Its page."""
        return vm_address("vm-detail", self.vm.pk)

    @cached_property
    def part_url(self) -> str:
        """Where the parts of pages that show it are fetched again: in the shape ``?as=``."""
        return vm_address("vm-card", self.vm.pk)

    @cached_property
    def power_url(self) -> str:
        """What power actions are posted to."""
        return vm_address("vm-power", self.vm.pk)

    @cached_property
    def console_url(self) -> str:
        """Its console."""
        return vm_address("vm-console", self.vm.pk)

    @cached_property
    def screen_url(self) -> str:
        """The picture of its screen."""
        return vm_address("api-vm-screenshot", self.vm.pk)

    @property
    def can_operate(self) -> bool:
        """Whether the user may do more than look."""
        return self.role is not None and role_allows(self.role, Role.OPERATOR)

    @property
    def can_delete(self) -> bool:
        """Whether the user may have it deleted now: Eve deletes what it made."""
        return self.can_operate and self.vm.is_made_by_eve and self.active is None

    @property
    def may_change(self) -> bool:
        """Whether the user may change what it is made of now: Eve changes what it made."""
        return self.can_delete

    @property
    def pending(self) -> Resources | None:
        """What it will have at its next start, where the running guest has to be started anew for it."""
        domain = self.domain
        then = domain.next_start if domain else None
        return then if domain and then and needs_restart(domain, then) else None

    @property
    def room(self) -> Domain | None:
        """What it may be given while it runs, where that is more than it has."""
        domain = self.domain
        if domain is None or not self.has_screen:
            return None
        grows = domain.vcpus_max > domain.vcpus or domain.memory_max_bytes > domain.memory_bytes
        return domain if grows else None

    @property
    def actions(self) -> list[StateAction]:
        """The power actions that the user may choose now."""
        return actions_in(self.vm.state) if self.can_operate else []

    @property
    def may_act(self) -> bool:
        """Whether there is a power action to choose, and nothing under way."""
        return bool(self.actions) and self.active is None

    @property
    def active(self) -> Operation | None:
        """The operation that is under way."""
        return self.operation if self.operation and self.operation.is_active else None

    @property
    def doing(self) -> str:
        """What Eve does to it just now, before its name; else empty."""
        return str(DOING.get(self.active.kind, "")) if self.active else ""

    @property
    def doing_short(self) -> str:
        """The same where no name follows."""
        return str(DOING_SHORT.get(self.active.kind, "")) if self.active else ""

    @property
    def done(self) -> str:
        """What the last operation did, in a sentence; empty unless it succeeded, and all is well since."""
        if self.operation is None or self.operation.state != OperationState.SUCCEEDED or self._is_overtaken:
            return ""
        if self.words:
            return ""
        words = DONE.get(self.operation.kind)
        return str(words % {"name": self.vm.name}) if words else ""

    @property
    def shutdown(self) -> Obedience | None:
        """What its guest makes of having been asked to shut down last, while it still runs."""
        asked = self.operation
        if asked is None or asked.kind != kind_of(StateAction.SHUTDOWN) or asked.state != OperationState.SUCCEEDED:
            return None
        if self.vm.state not in (VmState.RUNNING, VmState.SHUTTING_DOWN) or self._is_overtaken:
            return None
        is_late = asked.finished_at and timezone.now() - asked.finished_at > dt.timedelta(
            seconds=settings.SHUTDOWN_SECONDS
        )
        return Obedience.IGNORED if is_late else Obedience.ASKED

    @cached_property
    def failure(self) -> str:
        """Why the last operation failed, in words; else empty."""
        if self.operation is None or self.operation.state != OperationState.FAILED or self._is_overtaken:
            return ""
        return str((self.operation.error or {}).get("detail", ""))

    @property
    def _is_overtaken(self) -> bool:
        """Whether the VM has changed by itself since its last operation ended: how that went is no news then."""
        end = self.operation.finished_at if self.operation else None
        return end is not None and self.vm.state_since > end + SETTLE

    @property
    def is_trouble(self) -> bool:
        """Whether somebody must act."""
        return self.vm.state in TROUBLE_STATES

    @cached_property
    def has_screen(self) -> bool:
        """Whether there may be a picture of its screen."""
        return has_screen(self.vm)

    @cached_property
    def words(self) -> str:
        """What is special about its state, what that means and what to do; empty where all is well."""
        vm, host = self.vm, self.vm.hypervisor
        if vm.state == VmState.UNKNOWN:
            words = _("Host %(host)s does not answer. The virtual machine may well be running.")
            if vm.state_reason == HypervisorState.LIBVIRT_DOWN:
                words = _("libvirt on host %(host)s does not answer. The virtual machine may well be running.")
            return str(words % {"host": host.name})
        if vm.state == VmState.MISSING:
            return str(_("Host %(host)s no longer has it. Ask the staff to look for it.") % {"host": host.name})
        if vm.state == VmState.CRASHED:
            return self._crash_words
        if vm.state == VmState.PAUSED and vm.state_reason == "ioerror":
            return str(
                _("Its disk could not be written: the storage may be full. It waits. Resume it once there is space.")
            )
        if vm.state == VmState.PAUSED and vm.state_reason == WATCHDOG:
            return str(
                _("Its watchdog stopped it, because the guest hung. Look at the screen, then resume or reset it.")
            )
        return self._shutdown_words

    @property
    def _crash_words(self) -> str:
        if self.has_screen:
            return str(_("The guest has crashed. Its disks are untouched. Look at the screen, then start or reset it."))
        return str(_("It ended all at once: the guest or its QEMU crashed. Its disks are untouched. Start it again."))

    @property
    def _shutdown_words(self) -> str:
        if self.shutdown is not Obedience.IGNORED:
            return ""
        return str(
            _(
                "Its guest was asked to shut down and still runs. Look at its screen: it may wait for an answer, or "
                "not listen. Ask it again, or stop it, which pulls the plug."
            )
        )

    @cached_property
    def domain(self) -> Domain | None:
        """What its host reported last."""
        return domain_of(self.vm.facts)

    @cached_property
    def guest(self) -> GuestInfo | None:
        """What its guest told of itself since it runs."""
        asked_at = self.vm.guest_asked_at
        if not self.has_screen or asked_at is None or asked_at < self.vm.state_since:
            return None
        return self._told

    @cached_property
    def _told(self) -> GuestInfo | None:
        """What its guest told of itself last, whenever that was."""
        return guest_of(self.vm.guest)

    @property
    def addresses(self) -> list[str]:
        """The addresses by which it may be reached, those that count beyond its own wire first."""
        return [str(each) for each in self._addresses]

    @cached_property
    def _addresses(self) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        found = [ipaddress.ip_address(each.address) for each in self.guest.addresses] if self.guest else []
        return sorted(found, key=lambda each: (each.is_link_local, each.version))

    @property
    def reached_at(self) -> list[tuple[str, str]]:
        """Its first IPv4 and its first IPv6 address that count beyond its own wire, each with the kind before it."""
        first: dict[str, str] = {}
        for each in self._addresses:
            if not each.is_link_local:
                first.setdefault(f"IPv{each.version}", str(each))
        return sorted(first.items())

    @cached_property
    def system(self) -> System:
        """Which system its guest is, or was when it told last."""
        if self._told is None:
            return System(name="", icon=ANY_SYSTEM)
        return System(name=self._told.os_name.partition(" (")[0], icon=_ICONS.get(self._told.os_id, ANY_SYSTEM))

    @property
    def disks(self) -> Sequence[Disk]:
        """Its disks and drives."""
        return self.domain.disks if self.domain else ()

    @property
    def nics(self) -> Sequence[Nic]:
        """Its network cards."""
        return self.domain.nics if self.domain else ()

    @property
    def exposed(self) -> tuple[Graphics, ...]:
        """Its displays that anybody on the network may try to open."""
        return exposed_displays(self.domain)


def cards_for(user: User, vms: Iterable[Vm], *, with_use: bool = False) -> list[VmCard]:
    """The cards of these VMs (with ``project`` and ``hypervisor__site`` selected); four queries at most, five with their use, however many."""
    rows = list(vms)
    roles = roles_on(user, rows)
    operations = _operations_of(rows)
    pictures = last_pictures(rows)
    uses = uses_of(rows) if with_use else {}
    return [
        VmCard(
            vm=vm,
            role=roles.get(vm.pk),
            operation=operations.get(vm.pk),
            use=uses.get(vm.pk),
            last_picture=pictures.get(vm.pk),
        )
        for vm in rows
    ]


def card_for(user: User, vm: Vm, *, with_use: bool = False) -> VmCard:
    """One VM's card."""
    uses = uses_of([vm]) if with_use else {}
    return VmCard(
        vm=vm,
        role=role_on(user, vm),
        operation=_operations_of([vm]).get(vm.pk),
        use=uses.get(vm.pk),
        last_picture=last_pictures([vm]).get(vm.pk),
    )


def _operations_of(vms: Sequence[Vm]) -> dict[UUID, Operation]:
    """The newest operation of each; none from before the VM came to its project."""
    projects = {vm.pk: vm.project_id for vm in vms}
    found = recent_operations(target_type="vm", target_ids=list(projects))
    return {key: operation for key, operation in found.items() if operation.project_id == projects[key]}
