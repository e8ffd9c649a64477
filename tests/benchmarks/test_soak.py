"""The soak, with real processes and few cycles."""

from __future__ import annotations

import os
import time
from itertools import count

from benchmarks.console_soak import TASKS, gauges, grown, more, sessions_left, soak
from benchmarks.relay.client import Viewer
from benchmarks.relay.eve import running_eve
from benchmarks.relay.processes import Footprint, StubPorts

END_SECONDS = 20


def test_cycles_leave_no_session_and_one_that_is_open_is_seen(stub: StubPorts) -> None:
    with running_eve(stub.console) as eve:
        assert soak(eve, count(), cycles=12, parallel=3) > 0
        until = time.monotonic() + END_SECONDS
        while sessions_left(eve) and time.monotonic() < until:
            time.sleep(0.1)
        assert sessions_left(eve) == []
        viewer = Viewer(eve.address)
        assert len(sessions_left(eve)) == 1
        viewer.leave()
        while sessions_left(eve) and time.monotonic() < until:
            time.sleep(0.1)
        found = gauges(eve)
        assert found["eve_consoles_open"] == found["eve_agent_consoles_open"] == 0
        assert all(found[name] >= 1 for name in TASKS)


def test_what_grew_is_named() -> None:
    before = {"eve": Footprint(20, 10, 100 * 2**20), "agent": Footprint(20, 5, 50 * 2**20)}
    assert grown(before, before, 100) == []
    after = {"eve": Footprint(120, 10, 110 * 2**20), "agent": Footprint(20, 50, 50 * 2**20)}
    findings = grown(before, after, 100)
    assert [finding.split(" grew")[0] for finding in findings] == [
        "eve: file descriptors",
        "eve: bytes of memory",
        "agent: threads",
    ]
    assert more({"eve_consoles_open": 0, "eve_tasks": 20}, {"eve_consoles_open": 1, "eve_tasks": 22}) == [
        "eve_consoles_open: 0 became 1"
    ]
    assert more({"eve_agent_tasks": 9}, {"eve_agent_tasks": 109}) == ["eve_agent_tasks: 9 became 109"]


def test_a_footprint_is_that_of_the_process() -> None:
    own = Footprint.of(os.getpid())
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        assert Footprint.of(os.getpid()).descriptors == own.descriptors + 1
    finally:
        os.close(descriptor)
    assert own.threads >= 1
    assert own.resident_bytes > 2**20
