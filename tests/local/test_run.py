"""``make run`` where libvirt cannot run: it says why and what to do, and that works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from deploy.local import hypervisor
from deploy.local.config import ROOT, LocalConfig
from deploy.local.hypervisor import Libvirt
from deploy.local.steps import Console, StepError
from tests.e2e.house import free_port

READY_SECONDS = 120


def test_where_libvirt_cannot_run_the_fake_hypervisor_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = LocalConfig(state_dir=tmp_path, public_url="http://127.0.0.1:8000")
    config.log_dir.mkdir()
    libvirt = Libvirt(config)

    def start(console: Console) -> str:
        libvirt.log("libvirtd").write_text("error : cannot unshare mount namespace: Operation not permitted\n")
        libvirt._started.append(("libvirtd", subprocess.Popen(["false"])))
        return "started"

    monkeypatch.setattr(hypervisor, "socket_state", lambda: "down")
    monkeypatch.setattr(hypervisor, "_refusal", lambda *, as_root: "no socket")
    for way in ("_start_daemons", "_start_units"):
        monkeypatch.setattr(libvirt, way, lambda *_: start(Console()))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(StepError) as refusal:
        libvirt.ensure_up(Console())
    assert refusal.value.sentence() == (
        "libvirt cannot run here: libvirtd ended: error : cannot unshare mount namespace: Operation not permitted. "
        "Run `EVE_DRIVER=fake make run` to see Eve with a made-up hypervisor."
    )


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
