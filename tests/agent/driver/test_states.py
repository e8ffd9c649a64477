"""libvirt's numbers mean what the installed libvirt says."""

from __future__ import annotations

import libvirt
import pytest
from eve_agent.driver.states import state_of
from eve_agent.wire.domain import DomainState

STATES = {
    "NOSTATE": DomainState.UNKNOWN,
    "RUNNING": DomainState.RUNNING,
    "BLOCKED": DomainState.RUNNING,
    "PAUSED": DomainState.PAUSED,
    "SHUTDOWN": DomainState.SHUTTING_DOWN,
    "SHUTOFF": DomainState.OFF,
    "CRASHED": DomainState.CRASHED,
    "PMSUSPENDED": DomainState.SLEEPING,
}


@pytest.mark.parametrize(("name", "state"), STATES.items())
def test_states(name: str, state: DomainState):
    assert state_of(getattr(libvirt, f"VIR_DOMAIN_{name}"), 0) == (state, "")


@pytest.mark.parametrize("name", ["RUNNING", "PAUSED", "SHUTOFF", "CRASHED"])
def test_reasons_are_libvirts_own_words(name: str):
    state = getattr(libvirt, f"VIR_DOMAIN_{name}")
    prefix = f"VIR_DOMAIN_{name}_"
    reasons = {
        word.removeprefix(prefix).lower(): number for word, number in vars(libvirt).items() if word.startswith(prefix)
    }

    assert len(reasons) > 1
    for word, number in reasons.items():
        assert state_of(state, number)[1] == ("" if word == "unknown" else word)


@pytest.mark.parametrize(("state", "reason"), [(99, 0), (-1, -1), (libvirt.VIR_DOMAIN_RUNNING, 99)])
def test_numbers_of_a_later_libvirt(state: int, reason: int):
    assert state_of(state, reason)[1] == ""
