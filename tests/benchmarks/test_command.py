"""The command, with real processes: a short measure, and what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.console_relay import MEASURES
from benchmarks.relay.processes import family

COMMAND = Path(__file__).resolve().parents[2] / "benchmarks" / "console_relay.py"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(COMMAND), *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_measure_prints_a_table_and_writes_its_figures(tmp_path: Path) -> None:
    done = run(tmp_path, "--quick", "--only", "echo,setup", "--peers", "websockify", "--json", "figures.json")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert list(figures) == ["echo", "setup"]
    assert list(figures["echo"]["rows"]) == ["eve", "websockify"]
    echo = figures["echo"]["rows"]["eve"]
    assert 0 < echo["p50 µs"] <= echo["p99 µs"] <= echo["max µs"]
    assert echo["CPU µs"] > 0
    assert "Set-up (median of 3)" in done.stdout
    assert figures["setup"]["aims"][0]["what"] == "CPU of one set-up"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    bench = subprocess.Popen(
        [sys.executable, str(COMMAND), "--only", "echo-beside-bulk", "--peers", "websockify"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with bench:
        while "This takes about" not in bench.stdout.readline():
            assert bench.poll() is None
        while not any(b"benchmarks.relay.load" in line for line in command_lines(bench.pid)):
            assert bench.poll() is None
            time.sleep(0.05)
        started = family([bench.pid])
        bench.send_signal(number)
        assert bench.wait(60) == 130
    assert len(started) > 5  # itself, the stub, Eve, the agent, websockify, the load
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert list(tmp_path.iterdir()) == []


def command_lines(pid: int) -> list[bytes]:
    found = []
    for each in family([pid]):
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{each}/cmdline").read_bytes())
    return found


@pytest.mark.parametrize("option", ["--only", "--peers"])
def test_a_name_that_it_does_not_know_is_refused_with_those_that_it_knows(tmp_path: Path, option: str) -> None:
    done = run(tmp_path, option, "everything")
    assert done.returncode == 2
    assert "'everything' is none of " in done.stderr


def test_every_measure_is_described() -> None:
    described = (COMMAND.parents[1] / "docs" / "performance.md").read_text()
    assert [name for name in MEASURES if f"`{name}`" not in described] == []
