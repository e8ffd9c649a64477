"""``console_relay.py --serve``: what a client from outside gets, with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.relay.client import Address, Viewer
from benchmarks.relay.processes import StubPorts

COMMAND = Path(__file__).resolve().parents[2] / "benchmarks" / "console_relay.py"
START_SECONDS = 90
END_SECONDS = 30


@pytest.fixture
def served(stub: StubPorts, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, str(COMMAND), "--serve", "--console", stub.console],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.terminate()
    process.wait(END_SECONDS)
    process.stdout.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def all_ended(pids: list[int]) -> bool:
    until = time.monotonic() + END_SECONDS
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_its_one_line_leads_to_a_console_and_sigterm_ends_what_it_started(
    served: subprocess.Popen[str], tmp_path: Path
) -> None:
    line = json.loads(served.stdout.readline())
    assert set(line) == {"url", "pids"}
    assert len(line["pids"]) == 2
    assert all(is_alive(pid) for pid in line["pids"])
    viewer = Viewer(Address.of(line["url"]))  # raises where no RFB banner comes
    viewer.greet()
    assert viewer.echo() < 5
    viewer.leave()
    served.send_signal(signal.SIGTERM)
    rest, _ = served.communicate(timeout=END_SECONDS)
    assert rest == ""
    assert served.returncode == 0
    assert all_ended(line["pids"])
    assert list(tmp_path.iterdir()) == []


def test_sigterm_while_it_starts_leaves_nothing(served: subprocess.Popen[str], tmp_path: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not list(tmp_path.glob("eve-bench-*/log/eve.log")) and time.monotonic() < until:
        time.sleep(0.02)
    served.send_signal(signal.SIGTERM)
    rest, _ = served.communicate(timeout=END_SECONDS)
    assert rest == ""
    assert served.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("console", ["127.0.0.1:5900", "tcp:127.0.0.1", "tcp:::1:5900", "tcp:localhost:99999"])
def test_a_console_that_is_no_address_is_refused(console: str) -> None:
    done = subprocess.run(
        [sys.executable, str(COMMAND), "--serve", "--console", console], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--console" in done.stderr
    assert done.stdout == ""


def test_serving_needs_a_console() -> None:
    done = subprocess.run([sys.executable, str(COMMAND), "--serve"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--console tcp:HOST:PORT" in done.stderr
