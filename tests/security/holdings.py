"""What Eve and its agent hold while they run: descriptors, tasks, memory."""

from __future__ import annotations

import re
import time

import requests

from benchmarks.console_soak import AGENT_METRICS
from benchmarks.relay.processes import Footprint
from tests.e2e.house import ADMIN, House

MIB = 2**20
SPARE = 6
"""Requests under way, connections that wait for the next."""
_TASKS = re.compile(r"^(eve_tasks|eve_agent_tasks) (\S+)$", re.MULTILINE)


def memory_bytes(home: House) -> tuple[int, int]:
    """Resident, of Eve and the agent."""
    assert home.eve is not None
    assert home.agent is not None
    return Footprint.of(home.eve.pid).resident_bytes, Footprint.of(home.agent.pid).resident_bytes


def holdings(home: House) -> dict[str, int]:
    """Descriptors and tasks of both."""
    assert home.eve is not None
    assert home.agent is not None
    said = requests.get(
        f"{home.url}/metrics", headers={"Authorization": f"Bearer {home.token(ADMIN)}"}, timeout=10
    ).text
    tasks = {name: int(float(value)) for name, value in _TASKS.findall(f"{said}\n{home.shell(AGENT_METRICS)}")}
    assert len(tasks) == 2, said[:2000]
    return {
        **tasks,
        "Eve's descriptors": Footprint.of(home.eve.pid).descriptors,
        "the agent's descriptors": Footprint.of(home.agent.pid).descriptors,
    }


def wait_given_back(home: House, before: dict[str, int], *, seconds: float = 10) -> None:
    """Raises AssertionError where more than `before`, and a little, is still held after so long."""
    until = time.monotonic() + seconds
    while more := {
        name: (before[name], count) for name, count in holdings(home).items() if count > before[name] + SPARE
    }:
        assert time.monotonic() < until, more
        time.sleep(0.5)
