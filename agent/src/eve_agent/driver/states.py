"""libvirt's numbers for a domain's state and reason, in the wire's words (source: ``virDomainState`` and its reasons)."""

from __future__ import annotations

from eve_agent.wire.domain import DomainState

_STATES = (
    DomainState.UNKNOWN,
    DomainState.RUNNING,
    DomainState.RUNNING,  # blocked on a resource: a matter of Xen's, and running to everybody else
    DomainState.PAUSED,
    DomainState.SHUTTING_DOWN,
    DomainState.OFF,
    DomainState.CRASHED,
    DomainState.SLEEPING,
)

_RUNNING = (
    "unknown",
    "booted",
    "migrated",
    "restored",
    "from_snapshot",
    "unpaused",
    "migration_canceled",
    "save_canceled",
    "wakeup",
    "crashed",
    "postcopy",
    "postcopy_failed",
)
_PAUSED = (
    "unknown",
    "user",
    "migration",
    "save",
    "dump",
    "ioerror",
    "watchdog",
    "from_snapshot",
    "shutting_down",
    "snapshot",
    "crashed",
    "starting_up",
    "postcopy",
    "postcopy_failed",
    "api_error",
)
_OFF = (
    "unknown",
    "shutdown",
    "destroyed",
    "crashed",
    "migrated",
    "saved",
    "failed",
    "from_snapshot",
    "daemon",
)
_REASONS = {
    DomainState.RUNNING: _RUNNING,
    DomainState.PAUSED: _PAUSED,
    DomainState.SHUTTING_DOWN: ("unknown", "user"),
    DomainState.OFF: _OFF,
    DomainState.CRASHED: ("unknown", "panicked"),
}


def state_of(state: int, reason: int) -> tuple[DomainState, str]:
    """The state and its reason (empty where it says nothing). Numbers of a later libvirt are ``UNKNOWN`` and empty."""
    if not 0 <= state < len(_STATES):
        return DomainState.UNKNOWN, ""
    named = _STATES[state]
    words = _REASONS.get(named, ())
    word = words[reason] if 0 <= reason < len(words) else ""
    return named, "" if word == "unknown" else word
