"""The systemd units are units, and keep what they run in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.config import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
PROGRAMS = ("/opt/eve/.venv/bin/python", "/usr/local/bin/eve-agent")
MOST_EXPOSED = 25
"""Of systemd's points times ten: 100 is a unit that gives up nothing."""


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_a_unit(unit: Path, tmp_path: Path):
    text = unit.read_text()
    assert sum(text.count(program) for program in PROGRAMS) >= 1
    for program in PROGRAMS:  # which are installed where Eve is
        text = text.replace(program, sys.executable)
    here = tmp_path / unit.name
    here.write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(here)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    exposed = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(here)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert exposed.returncode == 0, exposed.stdout[-300:] + exposed.stderr


def test_all_processes_of_eve_are_kept_in_alike():
    bounds = {unit.name: unit.read_text().split("TimeoutStopSec=15\n")[1] for unit in UNITS if "agent" not in unit.name}
    assert len(bounds) == 4
    assert set(bounds.values()) == {bounds["eve.service"]}


def test_what_runs_beside_eve_waits_for_its_migrations():
    beside = [unit for unit in UNITS if unit.name not in ("eve.service", "eve-agent.service")]
    assert len(beside) == 3
    for unit in beside:
        lines = unit.read_text().splitlines()
        assert "After=network-online.target eve.service" in lines, "systemd starts it after eve.service's ExecStartPre"
        assert "PartOf=eve.service" in lines
        assert not any(line.startswith("ExecStartPre=") for line in lines), "two would migrate at once"


def test_whoever_relays_consoles_has_the_same_allocator():
    found = {
        tuple(line for line in (ROOT / "deploy" / "systemd" / unit).read_text().splitlines() if "MALLOC_" in line)
        for unit in ("eve.service", "eve@.service", "eve-agent.service")
    }
    # A fixed threshold: glibc's own grows with what was freed, and the buffers are in the heap again.
    assert found == {("Environment=MALLOC_MMAP_THRESHOLD_=262144 MALLOC_TRIM_THRESHOLD_=1048576",)}
