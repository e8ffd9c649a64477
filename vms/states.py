"""A VM's states, and what may be done in each."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from django.utils.functional import Promise
from eve_agent.wire.domain import Domain, DomainState, StateAction

from common.sentences import gettext_lazy as _

from .models import VmState


class Obedience(StrEnum):
    """What a guest that was asked to shut down, and still runs, makes of it."""

    ASKED = "asked"
    """It has time yet."""
    IGNORED = "ignored"
    """It had :data:`settings.SHUTDOWN_SECONDS`."""


_STATES: Final = {
    DomainState.RUNNING: VmState.RUNNING,
    DomainState.PAUSED: VmState.PAUSED,
    DomainState.SHUTTING_DOWN: VmState.SHUTTING_DOWN,
    DomainState.OFF: VmState.OFF,
    DomainState.CRASHED: VmState.CRASHED,
    DomainState.SLEEPING: VmState.SLEEPING,
    DomainState.UNKNOWN: VmState.UNKNOWN,
}

WATCHDOG: Final = "watchdog"
"""Why a machine is paused that its watchdog stopped, because its guest hung."""

ALLOWED_IN: Final[dict[StateAction, frozenset[VmState]]] = {
    StateAction.START: frozenset({VmState.OFF, VmState.CRASHED}),
    StateAction.SHUTDOWN: frozenset({VmState.RUNNING, VmState.SHUTTING_DOWN}),
    StateAction.STOP: frozenset(
        {VmState.RUNNING, VmState.PAUSED, VmState.SHUTTING_DOWN, VmState.CRASHED, VmState.SLEEPING}
    ),
    StateAction.REBOOT: frozenset({VmState.RUNNING, VmState.SHUTTING_DOWN}),
    StateAction.RESET: frozenset(
        {VmState.RUNNING, VmState.PAUSED, VmState.SHUTTING_DOWN, VmState.CRASHED, VmState.SLEEPING}
    ),
    StateAction.SUSPEND: frozenset({VmState.RUNNING, VmState.SHUTTING_DOWN}),
    StateAction.RESUME: frozenset({VmState.PAUSED, VmState.SLEEPING}),
}
"""The states in which each action makes sense."""

REPEATABLE: Final = frozenset(StateAction) - {StateAction.REBOOT, StateAction.RESET}
"""What does no harm when it is done twice, as after a killed worker: a second reset would lose work once more."""

_DOING: Final[dict[StateAction, Promise]] = {
    StateAction.START: _("Starting"),
    StateAction.SHUTDOWN: _("Shutting down"),
    StateAction.STOP: _("Stopping"),
    StateAction.REBOOT: _("Rebooting"),
    StateAction.RESET: _("Resetting"),
    StateAction.SUSPEND: _("Pausing"),
    StateAction.RESUME: _("Resuming"),
}

_DONE: Final[dict[StateAction, Promise]] = {
    StateAction.START: _("%(name)s was started."),
    StateAction.SHUTDOWN: _("The guest of %(name)s was asked to shut down; it may take a moment."),
    StateAction.STOP: _("%(name)s was stopped. Its disks are untouched."),
    StateAction.REBOOT: _("The guest of %(name)s was asked to reboot; it may take a moment."),
    StateAction.RESET: _("%(name)s was reset."),
    StateAction.SUSPEND: _("%(name)s is paused. Its memory is kept."),
    StateAction.RESUME: _("%(name)s runs on."),
}

_INSTEAD: Final[dict[VmState, Promise]] = {
    VmState.RUNNING: _("%(name)s is running already."),
    VmState.PAUSED: _("%(name)s is paused. Resume it first."),
    VmState.SHUTTING_DOWN: _("%(name)s is shutting down. Wait, or stop it at once."),
    VmState.OFF: _("%(name)s is off. Start it first."),
    VmState.CRASHED: _("%(name)s has crashed. Look at its screen, then start or reset it."),
    VmState.SLEEPING: _("%(name)s sleeps. Resume it first."),
    VmState.MISSING: _("%(name)s is not on its host any more. Ask the staff to look for it."),
    VmState.UNKNOWN: _("What %(name)s does is not known yet. Try again in a moment."),
    VmState.CREATING: _("%(name)s is being made. Wait until that has ended, then try again."),
}


def state_of(domain: Domain) -> VmState:
    """The VM's state as its host tells it. A guest that libvirt stopped or froze because it crashed counts as crashed."""
    if domain.reason == "crashed" and domain.state in (DomainState.OFF, DomainState.PAUSED):
        return VmState.CRASHED
    return _STATES[domain.state]


def actions_in(state: str) -> list[StateAction]:
    """What may be done to a VM in `state`."""
    return [action for action, states in ALLOWED_IN.items() if state in states]


def refusal_words(action: StateAction, state: str, name: str) -> str:
    """Why `action` makes no sense in `state`, and what to do instead."""
    if action is StateAction.STOP and state == VmState.OFF:
        return str(_("%(name)s is off already.") % {"name": name})
    if action is StateAction.RESUME and state == VmState.OFF:
        return str(_("%(name)s is off: start it instead.") % {"name": name})
    return str(_INSTEAD[VmState(state)] % {"name": name})


def kind_of(action: StateAction) -> str:
    """The kind of operation that does it."""
    return f"vm.{action.value}"


DOING: Final[dict[str, Promise]] = {
    **{kind_of(action): words for action, words in _DOING.items()},
    "vm.create": _("Making"),
    "vm.delete": _("Deleting"),
    "vm.clone": _("Copying"),
    "vm.template": _("Making an image of"),
    "vm.settings": _("Changing the settings of"),
    "vm.rescue": _("Starting a rescue system in"),
    "vm.rescue_end": _("Ending the rescue of"),
    "vm.reinstall": _("Reinstalling"),
    "vm.seed_end": _("Deleting what the first boot was told of"),
    "vm.boot": _("Changing the boot order of"),
    "vm.resize": _("Resizing"),
    "vm.restore": _("Restoring"),
    "vm.disk_add": _("Adding a disk to"),
    "vm.disk_grow": _("Growing a disk of"),
    "vm.disk_remove": _("Taking a disk from"),
    "vm.disk_detach": _("Taking a disk from"),
    "vm.disk_attach": _("Adding a disk to"),
    "vm.nic_add": _("Adding a network card to"),
    "vm.nic_remove": _("Taking a network card from"),
    "vm.cd": _("Changing the disc of"),
    "vm.snapshot": _("Taking a snapshot of"),
    "vm.snapshot_revert": _("Taking back"),
    "vm.snapshot_delete": _("Deleting a snapshot of"),
}
"""By kind of operation: what is being done, before the name of the machine."""

DOING_SHORT: Final[dict[str, Promise]] = {
    **DOING,
    "vm.template": _("Making an image"),
    "vm.settings": _("Changing settings"),
    "vm.rescue": _("Starting a rescue system"),
    "vm.rescue_end": _("Ending the rescue"),
    "vm.seed_end": _("Deleting what its first boot was told"),
    "vm.boot": _("Changing the boot order"),
    "vm.disk_add": _("Adding a disk"),
    "vm.disk_grow": _("Growing a disk"),
    "vm.disk_remove": _("Taking a disk away"),
    "vm.disk_detach": _("Taking a disk away"),
    "vm.disk_attach": _("Adding a disk"),
    "vm.nic_add": _("Adding a network card"),
    "vm.nic_remove": _("Taking a network card away"),
    "vm.cd": _("Changing the disc"),
    "vm.snapshot": _("Taking a snapshot"),
    "vm.snapshot_revert": _("Going back"),
    "vm.snapshot_delete": _("Deleting a snapshot"),
}
"""The same without a name: what a badge says meanwhile."""

DONE: Final[dict[str, Promise]] = {
    **{kind_of(action): words for action, words in _DONE.items()},
    "vm.create": _("%(name)s is there."),
    "vm.clone": _("%(name)s is there."),
    "vm.template": _("The image of %(name)s is there."),
    "vm.rescue": _("%(name)s runs the rescue system, with its disks attached."),
    "vm.rescue_end": _("%(name)s runs its own system again."),
    "vm.reinstall": _("%(name)s is made anew. Its cards, addresses and other disks are what they were."),
    "vm.seed_end": _(
        "The first boot of %(name)s is over: the keys, password and user-data for it are deleted from its host."
    ),
    "vm.settings": _("The settings of %(name)s are saved."),
    "vm.boot": _("%(name)s boots so from its next start on."),
    "vm.resize": _("The size of %(name)s is changed."),
    "vm.restore": _("%(name)s has on its host again what was agreed."),
    "vm.disk_add": _("%(name)s has another disk."),
    "vm.disk_grow": _("The disk of %(name)s is larger. The guest grows its file system itself."),
    "vm.disk_remove": _("The disk was taken from %(name)s and deleted."),
    "vm.disk_detach": _("The disk was taken from %(name)s. It is kept in its project."),
    "vm.disk_attach": _("%(name)s has the disk again."),
    "vm.nic_add": _("%(name)s has another network card."),
    "vm.nic_remove": _("The network card was taken from %(name)s."),
    "vm.cd": _("The disc of %(name)s is changed."),
    "vm.snapshot": _("The snapshot of %(name)s is there."),
    "vm.snapshot_revert": _("%(name)s is as it was at the snapshot."),
    "vm.snapshot_delete": _("The snapshot of %(name)s is deleted."),
}
"""By kind of operation: what is said when it is done; a deleted VM has no page to say it on."""
