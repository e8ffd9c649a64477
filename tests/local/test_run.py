"""``make run`` where libvirt cannot run: it says why and what to do, and that works."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import requests

from deploy.local.config import ROOT, LocalConfig
from deploy.local.hypervisor import Libvirt, without_device
from deploy.local.steps import StepError
from tests.e2e.house import free_port
from tests.services.root import as_root

READY_SECONDS = 120


WITHOUT_CAPABILITIES = 'mount -t tmpfs none /run && exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"'
"""What an unprivileged container is to libvirt: root that may do nothing, and a /run of its own, which hides the machine's libvirt."""


def test_where_libvirt_cannot_run_the_fake_hypervisor_is_offered(tmp_path: Path):
    (tmp_path / "state" / "log").mkdir(parents=True)
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "EVE_STATE_DIR": tmp_path / "state",
        "EVE_PORT": free_port(),
        "EVE_AGENT_PORT": free_port(),
    }
    command = [
        *(*as_root(), "unshare", "--mount", "--pid", "--fork", "sh", "-c", WITHOUT_CAPABILITIES, "sh"),
        *("env", "-i", f"--chdir={ROOT}", *(f"{name}={value}" for name, value in variables.items())),
        *(sys.executable, "-m", "deploy.local", "--prepared", "run"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=READY_SECONDS, check=False)
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    why = re.fullmatch(r"Eve cannot start: libvirt: libvirt cannot run here: (?:virtlogd|libvirtd) ended: (.+)", last)
    assert why is not None, done.stdout + done.stderr
    assert why[1].endswith(". Run `EVE_DRIVER=fake make run` to see Eve with a made-up hypervisor.")
    assert len(why[1].partition(". Run")[0]) > 20, "the daemon's own words"


def test_where_systemd_does_not_start_libvirt_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho Failed to start $2: Unit is masked. >&2; exit 1\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(StepError) as refusal:
        Libvirt(LocalConfig(state_dir=tmp_path, public_url="http://127.0.0.1:8000"))._start_units()
    assert refusal.value.sentence() == (
        "systemd did not start libvirt: Failed to start libvirtd.socket: Unit is masked. "
        "Look at `systemctl status libvirtd`. Run `EVE_DRIVER=fake make run` to see Eve with a made-up hypervisor."
    )


def test_a_hidden_device_is_closed_to_whom_libvirt_runs_qemu_as():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        device = Path(folder) / "kvm"
        device.touch()
        device.chmod(0o666)
        look = f"test -c {device} && ! test -r {device} && ! test -w {device}"
        as_nobody = ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", look]
        subprocess.run([*as_root(), *without_device(device, Path(folder) / "none", *as_nobody)], check=True)
        assert device.is_file()


def test_the_fake_hypervisor_needs_no_libvirt(tmp_path: Path):
    port, log = free_port(), tmp_path / "output"
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "EVE_DRIVER": "fake",
        "EVE_STATE_DIR": str(tmp_path / "state"),
        "EVE_PORT": str(port),
        "EVE_AGENT_PORT": str(free_port()),
        "EVE_ADMIN_PASSWORD": "correct horse battery 7",
    }
    (tmp_path / "state" / "log").mkdir(parents=True)
    (tmp_path / "state").chmod(0o700)
    command = [sys.executable, "-m", "deploy.local", "--prepared", "run"]
    with log.open("wb") as output:
        run = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while "Eve is ready" not in log.read_text():
            assert run.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        login = {"email": "admin@eve.local", "password": "correct horse battery 7"}
        token = requests.post(f"http://127.0.0.1:{port}/api/v1/login", json=login, timeout=10).json()["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        hosts = requests.get(f"http://127.0.0.1:{port}/api/v1/hypervisors", headers=bearer, timeout=10).json()[
            "results"
        ]
        assert [(host["name"], host["state"]) for host in hosts] == [("local", "online")]
        assert "Eve" in requests.get(f"http://127.0.0.1:{port}/login/", timeout=10).text
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 0
    finally:
        run.kill()
        run.wait()
    said = log.read_text()
    assert "libvirt" not in said
    assert "SIGINT: stopping." in said
