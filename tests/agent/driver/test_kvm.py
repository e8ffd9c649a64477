"""KVM is used where something runs under it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from eve_agent.driver import kvm
from eve_agent.driver.kvm import Virtualization, runs_under_kvm

BOOTS = "len(open(sys.argv[-1].split(',')[0].removeprefix('file='), 'rb').read()) == 512"
"""Whether QEMU can read what it is told to boot."""


@pytest.mark.parametrize(
    ("has_device", "runs", "kind"), [(False, True, "qemu"), (True, False, "qemu"), (True, True, "kvm")]
)
def test_a_probe_decides_once(monkeypatch: pytest.MonkeyPatch, has_device: bool, runs: bool, kind: str):
    probes = []
    monkeypatch.setattr(kvm, "has_kvm", lambda: has_device)
    monkeypatch.setattr(kvm, "runs_under_kvm", lambda: probes.append(1) or runs)
    asked = Virtualization("auto")

    assert (asked.kind, asked.kind) == (kind, kind)
    assert len(probes) == int(has_device)
    assert (Virtualization("kvm").kind, Virtualization("qemu").kind) == ("kvm", "qemu")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (f"sys.exit(171 if {BOOTS} else 1)", True),
        ("sys.exit(0)", False),
        ("sys.exit(1)", False),
        ("time.sleep(60)", False),
    ],
    ids=["ran", "ended", "failed", "hung"],
)
def test_what_a_probe_takes_for_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, expected: bool
):
    monkeypatch.setattr(kvm, "PROBE_SECONDS", 2.0)
    qemu = tmp_path / "qemu"
    qemu.write_text(f"#!{sys.executable}\nimport sys, time\n{program}\n")
    qemu.chmod(0o755)

    assert runs_under_kvm(str(qemu)) is expected
    assert runs_under_kvm(str(tmp_path / "missing")) is False


def test_the_boot_sector_runs_where_the_processor_is_emulated(tmp_path: Path):
    """The same sector and the same status, without the one thing that a test machine may not have."""
    disk = tmp_path / "boot"
    disk.write_bytes(kvm._BOOT_SECTOR)
    command = [
        "qemu-system-x86_64",
        "-machine",
        "pc,accel=tcg",
        "-m",
        "16",
        "-nodefaults",
        "-display",
        "none",
        "-no-reboot",
    ]
    command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
    command += ["-drive", f"file={disk},format=raw,if=floppy,readonly=on"]

    assert subprocess.run(command, timeout=60, check=False).returncode == kvm._RAN
    assert len(kvm._BOOT_SECTOR) == 512
