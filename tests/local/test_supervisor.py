"""The supervisor: children end in reverse order, a death is noticed, a killed parent leaves nobody behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local.supervisor import StoppedError, Supervisor, last_lines

ROOT = Path(__file__).resolve().parents[2]
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_the_last_started_ends_first(tmp_path: Path):
    supervisor, order = Supervisor(), tmp_path / "order"
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(open(sys.argv[2], 'a').write(sys.argv[1]) * 0))\n"
        "print('up', flush=True)\ntime.sleep(60)"
    )
    for name in ("a", "b", "c"):
        log = tmp_path / f"{name}.log"
        supervisor.start(name, [sys.executable, "-c", script, name, str(order)], log=log, environment={}, cwd=tmp_path)
        assert wait_until(lambda log=log: log.read_text() == "up\n")
    supervisor.stop_all()

    assert order.read_text() == "cba"


def test_a_stubborn_child_is_killed_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("deploy.local.supervisor.STOP_SECONDS", 0.3)
    supervisor, log = Supervisor(), tmp_path / "log"
    child = supervisor.start("stubborn", [sys.executable, "-c", STUBBORN], log=log, environment={}, cwd=tmp_path)
    assert wait_until(lambda: log.read_text() == "up\n")
    supervisor.stop_all()

    assert child.process.returncode == -signal.SIGKILL


def test_a_death_is_noticed(tmp_path: Path):
    supervisor = Supervisor()
    script = "import sys; print('the reason'); sys.exit(7)"
    supervisor.start("well", SLEEP, log=tmp_path / "well.log", environment={}, cwd=tmp_path)
    supervisor.start("ill", [sys.executable, "-c", script], log=tmp_path / "ill.log", environment={}, cwd=tmp_path)

    assert wait_until(lambda: supervisor.dead() is not None)
    dead = supervisor.dead()
    assert dead is not None
    assert (dead.name, dead.process.returncode, last_lines(dead.log)) == ("ill", 7, ["the reason"])
    supervisor.stop_all()


def test_a_signal_stops_what_is_going_on():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)
    supervisor = Supervisor()
    supervisor.catch_signals()
    try:
        with pytest.raises(StoppedError, match="SIGTERM"):
            signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), before, strict=True):
            signal.signal(number, handler)


def test_a_killed_supervisor_leaves_nobody_behind(tmp_path: Path):
    script = (
        "import sys, time; from pathlib import Path; from deploy.local.supervisor import Supervisor\n"
        "child = Supervisor().start('c', [sys.executable, '-c', 'import time; time.sleep(60)'],"
        " log=Path(sys.argv[1]), environment={}, cwd=Path('/'))\n"
        "print(child.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()

    assert wait_until(lambda: not is_alive(child))


def test_the_reaper_ends_its_daemon_when_its_input_ends_and_lets_orphans_live(tmp_path: Path):
    daemon = (
        "import os, subprocess, sys, time\n"
        "orphan = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'], start_new_session=True)\n"
        "print(os.getpid(), orphan.pid, flush=True); time.sleep(60)"
    )
    reaper = subprocess.Popen(
        [sys.executable, "-I", str(ROOT / "deploy/local/reaper.py"), sys.executable, "-c", daemon],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reaper.stdin is not None
    assert reaper.stdout is not None
    pid, orphan = map(int, reaper.stdout.readline().split())
    reaper.stdin.close()
    reaper.wait(10)

    assert not is_alive(pid)
    assert is_alive(orphan)
    os.kill(orphan, signal.SIGKILL)
    reaper.stdout.close()
