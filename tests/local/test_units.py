"""The systemd units are units, and keep what they run in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.config import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
PROGRAMS = ("/opt/eve/.venv/bin/python", "/usr/local/bin/eve-agent")
MOST_EXPOSED = 40
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
