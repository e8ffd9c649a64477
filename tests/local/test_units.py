"""The systemd units are units, and keep what they run in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.config import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
SOCKETS = sorted((ROOT / "deploy" / "systemd").glob("*.socket"))
PROGRAMS = ("/opt/eve/.venv/bin/python", "/usr/local/bin/eve-agent")
MOST_EXPOSED = 25
"""Of systemd's points times ten: 100 is a unit that gives up nothing."""


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_a_unit(unit: Path, tmp_path: Path):
    text = unit.read_text()
    assert sum(text.count(program) for program in PROGRAMS) >= 1
    for program in PROGRAMS:  # which are installed where Eve is
        text = text.replace(program, sys.executable)
    here = tmp_path / _instance(unit)
    here.write_text(text)
    for socket in SOCKETS:
        (tmp_path / _instance(socket)).write_text(socket.read_text())
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
    bounds = {name: text.split("[Install]")[0] for name, text in bounds.items()}
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
    assert found == {("Environment=MALLOC_MMAP_THRESHOLD_=262144 MALLOC_TRIM_THRESHOLD_=1048576 MALLOC_ARENA_MAX=1",)}


@pytest.mark.parametrize("socket", SOCKETS, ids=lambda path: path.stem)
def test_an_address_outlives_a_restart_and_no_stop(socket: Path):
    name = socket.name.replace("@.", "@%i.")
    lines = socket.with_suffix(".service").read_text().splitlines()
    assert {f"Requires={name}", f"PropagatesStopTo={name}", f"Also={name}"} <= set(lines)
    assert "PartOf=" not in socket.read_text(), "it would be closed and opened again at each restart"


def test_every_process_that_serves_pages_has_an_address():
    serving = {unit.stem for unit in UNITS if "manage.py serve" in unit.read_text()}
    assert serving == {socket.stem for socket in SOCKETS}


def _instance(unit: Path) -> str:
    """Its name; of a template one of its instances, whose port the socket's unit has in it."""
    return unit.name.replace("@.", "@8001.")
