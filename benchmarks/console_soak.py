"""Opens and closes consoles, thousands of times, and looks whether anything stays behind.

    python -m benchmarks.console_soak [--cycles 10000] [--parallel 8]

Against an Eve and an agent of its own, as benchmarks.console_relay has them. Each cycle opens a console, answers RFB's handshake, has one
key answered, and leaves, in turn politely, by cutting the connection, and in the middle of a stream. File descriptors, threads and resident memory
of both processes are compared, and the gauges that Eve and the agent have at /metrics, tasks among them: after a first tenth, which fills caches and pools, and at the end.
No session may be open then. The exit code is 1 where something grew or stayed.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import requests
from eve_agent.wire import paths
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.console_relay import allow_open_files
from benchmarks.relay.client import Address, Viewer
from benchmarks.relay.eve import RunningEve, running_eve
from benchmarks.relay.processes import Footprint, running_stub

SETTLE_SECONDS = 8.0
"""An agent's session ends within two seconds of its viewer, Eve's record of it soon after."""
GROWTH_DESCRIPTORS = 4
GROWTH_THREADS = 4
GROWTH_BYTES = 4 * 2**20
"""As much as allocators move by themselves; what leaks leaks more than 500 bytes a cycle."""
GROWTH_TASKS = 4
"""Beside consoles' there are those of requests and of what Eve does by itself."""
TASKS = ("eve_tasks", "eve_agent_tasks")
REPORTS = 10
AGENT_METRICS = f"""
from hypervisors.models import Hypervisor
from hypervisors.tls import agent_tls
from hypervisors.transport import session_for
row = Hypervisor.objects.get()
print(session_for(row.pk, agent_tls(row)).exchange("GET", "{paths.METRICS}", headers={{}}, body=None, limit=2**20).body.decode())
"""


def cycle(address: Address, number: int) -> None:
    """One console, in one of three ways to leave it. Raises Ended or OSError where it fails."""
    viewer = Viewer(address)
    try:
        viewer.greet()
        viewer.echo()
        if number % 3 == 1:
            viewer.command("B", 0)
            viewer.receive()
    finally:
        if number % 3 == 0:
            viewer.leave()
        else:
            viewer.close()


def soak(eve: RunningEve, numbers: Iterator[int], cycles: int, parallel: int) -> float:
    """That many cycles, some at a time. Returns cycles per second."""
    lock = threading.Lock()
    left = cycles

    def work() -> None:
        nonlocal left
        while True:
            with lock:
                if left <= 0:
                    return
                left -= 1
                number = next(numbers)
            cycle(eve.address, number)

    started = time.monotonic()
    with ThreadPoolExecutor(parallel) as pool:
        for done in [pool.submit(work) for _ in range(parallel)]:
            done.result()
    return cycles / (time.monotonic() - started)


def footprints(eve: RunningEve) -> dict[str, Footprint]:
    """Of Eve and the agent, once what has ended is gone."""
    time.sleep(SETTLE_SECONDS)
    return {name: Footprint.of(pid) for name, pid in zip(("eve", "agent"), eve.pids, strict=True)}


def gauges(eve: RunningEve) -> dict[str, float]:
    """Both programs' own gauges at /metrics, by name and labels; left out are clocks (seconds) and what hosts measure, which go on by themselves."""
    answer = requests.get(f"{eve.house.url}/metrics", headers={"Authorization": f"Bearer {eve.token}"}, timeout=10)
    answer.raise_for_status()
    return {
        f"{sample.name}{sample.labels or ''}": sample.value
        for family in text_string_to_metric_families(f"{answer.text}\n{eve.house.shell(AGENT_METRICS)}")
        if family.type == "gauge"
        and family.name.startswith("eve_")
        and not family.name.startswith("eve_hypervisor_")
        and not family.name.endswith(("_seconds", "_created"))
        for sample in family.samples
    }


def sessions_left(eve: RunningEve) -> list[str]:
    """Sessions that Eve holds for open."""
    answer = eve.house.api("GET", "/consoles", token=eve.token, params={"open": "true"})
    answer.raise_for_status()
    return [session["session"] for session in answer.json()["results"]]


def show(cycles: int, found: dict[str, Footprint], rate: float | None = None) -> None:
    """One line."""
    cells = [
        f"{name}: {print_.descriptors} fds, {print_.threads} threads, {print_.resident_bytes / 2**20:.1f} MiB"
        for name, print_ in found.items()
    ]
    print(f"{cycles:>7} cycles   {'   '.join(cells)}{f'   ({rate:.0f}/s)' if rate else ''}", flush=True)


def grown(before: dict[str, Footprint], after: dict[str, Footprint], cycles: int) -> list[str]:
    """What is not flat."""
    found = []
    for name, first in before.items():
        last = after[name]
        for what, growth, limit in (
            ("file descriptors", last.descriptors - first.descriptors, GROWTH_DESCRIPTORS),
            ("threads", last.threads - first.threads, GROWTH_THREADS),
            ("bytes of memory", last.resident_bytes - first.resident_bytes, GROWTH_BYTES),
        ):
            if growth > limit:
                found.append(f"{name}: {what} grew by {growth} in {cycles} cycles (at most {limit})")
    return found


def more(before: dict[str, float], after: dict[str, float]) -> list[str]:
    """Which gauges are higher."""
    return [
        f"{name}: {was:g} became {after[name]:g}"
        for name, was in before.items()
        if after[name] > was + (GROWTH_TASKS if name in TASKS else 0)
    ]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cycles", type=int, default=10_000, help="how often (%(default)s; fewer than 5,000 say little about memory)"
    )
    parser.add_argument("--parallel", type=int, default=8, help="how many at a time (%(default)s)")
    options = parser.parse_args()
    allow_open_files()
    numbers, part = count(), max(options.cycles // REPORTS, 1)
    with running_stub() as stub, running_eve(stub.console) as eve:
        show(0, footprints(eve))
        rate = soak(eve, numbers, part, options.parallel)
        warm = last = footprints(eve)
        gauges_before = gauges(eve)
        show(part, warm, rate)
        for done in range(2 * part, options.cycles + 1, part):
            rate = soak(eve, numbers, part, options.parallel)
            last = footprints(eve)
            show(done, last, rate)
        findings = grown(warm, last, options.cycles - part)
        now = gauges(eve)
        print("   ".join(f"{name}: {gauges_before[name]:g}, then {now[name]:g}" for name in TASKS))
        findings += more(gauges_before, now)
        if left := sessions_left(eve):
            findings.append(f"sessions that are still open: {len(left)} or more, such as {left[0]}")
    print("Flat." if not findings else "\n".join(["Not flat:", *findings]))
    raise SystemExit(bool(findings))


if __name__ == "__main__":
    main()
