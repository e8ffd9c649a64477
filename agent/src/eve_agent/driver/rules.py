"""What a state change means, the same for every driver."""

from __future__ import annotations

from eve_agent.errors import ActionRefused, AgentError, DisplayUnsupported, DomainNotFound, DomainOff, NoDisplay
from eve_agent.wire.domain import Domain, DomainState, Graphics, GraphicsKind, StateAction

_GOALS = {
    StateAction.STOP: DomainState.OFF,
    StateAction.SHUTDOWN: DomainState.SHUTTING_DOWN,
    StateAction.SUSPEND: DomainState.PAUSED,
    StateAction.RESUME: DomainState.RUNNING,
}
_STARTING = "starting_up"
_PASSING_PAUSES = frozenset({_STARTING, "migration", "save", "dump", "snapshot"})
"""Reasons of a pause that libvirt made for a moment and will end by itself."""


def is_already(action: StateAction, domain: Domain) -> bool:
    """Whether `action` has nothing left to do."""
    if domain.state is DomainState.PAUSED and domain.reason in _PASSING_PAUSES:
        return action is StateAction.START and domain.reason != _STARTING
    if action is StateAction.START:
        return domain.state not in (DomainState.OFF, DomainState.CRASHED, DomainState.UNKNOWN)
    return _GOALS.get(action) is domain.state


def refuse_impossible(action: StateAction, domain: Domain) -> None:
    """Raises DomainOff or ActionRefused for what a domain in this state cannot do."""
    if domain.state is DomainState.OFF and action not in (StateAction.START, StateAction.STOP):
        raise DomainOff(f"“{domain.name}” is off; start it first.")
    if domain.state is DomainState.CRASHED and action is StateAction.START:
        raise ActionRefused(f"“{domain.name}” crashed and is kept for inspection; stop it before it can start again.")


def not_found() -> AgentError:
    """What every driver says of a domain that it does not have."""
    return DomainNotFound("There is no such virtual machine on this host.")


def vnc_display(domain: Domain) -> Graphics:
    """The first display of `domain` that speaks VNC. Raises DomainOff, NoDisplay, DisplayUnsupported."""
    refuse_screenless(domain)
    if not domain.graphics:
        raise NoDisplay(f"“{domain.name}” has no graphics device.")
    for device in domain.graphics:
        if device.kind is GraphicsKind.VNC:
            return device
    kinds = ", ".join(device.kind for device in domain.graphics)
    raise DisplayUnsupported(f"“{domain.name}” has a display ({kinds}), but none that speaks VNC.")


def refuse_screenless(domain: Domain) -> None:
    """Raises DomainOff where nothing can be on a screen."""
    if domain.state is DomainState.OFF:
        raise DomainOff(f"“{domain.name}” is off; start it to see its screen.")
