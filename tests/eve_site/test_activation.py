"""A socket that somebody else listens on, as systemd does: a restart of Eve refuses nobody."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from eve_site.activation import passed_sockets
from tests.e2e.house import House

PASS_ON = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="eve.socket")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""What systemd does between fork and exec."""


class Activated:
    """An Eve on a socket that outlives it."""

    def __init__(self, home: House, listener: socket.socket) -> None:
        self.home, self.listener = home, listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        descriptor = self.listener.fileno()
        command = [sys.executable, "-c", PASS_ON, str(descriptor), "manage.py", "serve"]
        with (self.home.log_dir / "eve.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.home.environment, stdout=log, stderr=log, pass_fds=[descriptor]
            )

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def get(self) -> requests.Response:
        return requests.get(f"{self.url}/healthz", timeout=60)


@pytest.fixture
def activated(tmp_path: Path) -> Iterator[Activated]:
    home = House(tmp_path)
    home.set_up()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        eve = Activated(home, listener)
        yield eve
        if eve.process is not None and eve.process.poll() is None:
            eve.stop()


def test_a_restart_is_waited_for_and_refuses_nobody(activated: Activated) -> None:
    activated.start()
    assert activated.get().status_code == 200
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", activated.home.port)) != 0, (
            "it listens where it was told to by its settings"
        )
    answers: list[int] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            answers.append(activated.get().status_code)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    time.sleep(0.5)
    assert activated.stop() == -signal.SIGTERM
    before = len(answers)
    activated.start()
    assert activated.get().status_code == 200
    time.sleep(0.5)
    is_over.set()
    for thread in asking:
        thread.join()
    assert len(answers) > before + len(asking)
    assert set(answers) == {200}


def test_a_socket_for_another_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for pid in (str(os.getppid()), ""):
        monkeypatch.setenv("LISTEN_PID", pid)
        monkeypatch.setenv("LISTEN_FDS", "1")
        assert passed_sockets.__wrapped__() == ()
        assert "LISTEN_FDS" not in os.environ, "its children would take it for theirs"
