"""The command, with real processes: a short measure, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.console_relay import MEASURES

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


@pytest.mark.parametrize("option", ["--only", "--peers"])
def test_a_name_that_it_does_not_know_is_refused_with_those_that_it_knows(tmp_path: Path, option: str) -> None:
    done = run(tmp_path, option, "everything")
    assert done.returncode == 2
    assert "'everything' is none of " in done.stderr


def test_every_measure_is_described() -> None:
    described = (COMMAND.parents[1] / "docs" / "performance.md").read_text()
    assert [name for name in MEASURES if f"`{name}`" not in described] == []
