"""Starts long-running children, notices when one dies, ends them in reverse order."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from deploy.local.steps import elevated

REAPER = Path(__file__).with_name("reaper.py")
PR_SET_PDEATHSIG = 1
STOP_SECONDS = 15.0
KEPT_LOG_BYTES = 10 * 1024 * 1024
_LIBC = ctypes.CDLL(None)


class StoppedError(Exception):
    """SIGINT, SIGTERM or SIGHUP arrived."""


@dataclass(frozen=True, slots=True)
class Child:
    """A child and its log. One that runs as root is told to end by closing its standard input (see ``reaper.py``)."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    is_root: bool = False


class Supervisor:
    """The children of one ``make run``. Should it be killed, the kernel ends them too."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._is_stopping = False

    def catch_signals(self) -> None:
        """Turn the signals that end a program into StoppedError, once; a second one while stopping kills at once."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def start(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str], cwd: Path
    ) -> Child:
        """Start a child in a process group of its own, so that Ctrl-C reaches it only through ``stop_all``."""
        _rotate(log)
        parent = os.getpid()
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - this process has one thread
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def start_as_root(self, name: str, command: Sequence[str], *, log: Path) -> Child:
        """Start a child through sudo. It stays in this session, where sudo knows its user. Raises StepError without sudo."""
        _rotate(log)
        with log.open("ab") as output:
            process = subprocess.Popen(
                elevated([sys.executable, "-I", str(REAPER), *command]),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        child = Child(name, process, log, is_root=True)
        self._children.append(child)
        return child

    def dead(self) -> Child | None:
        """The first child that has ended, if one has."""
        return next((child for child in self._children if child.process.poll() is not None), None)

    def stop_all(self) -> None:
        """End the children, the last started first, within 15 s each."""
        self._is_stopping = True
        for child in reversed(self._children):
            if child.process.stdin is not None:
                child.process.stdin.close()
            elif child.process.poll() is None:
                child.process.terminate()
            try:
                child.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                if not child.is_root:
                    child.process.kill()
                    child.process.wait()
        self._children.clear()

    def watch(self) -> Child:
        """Wait until a child ends, and return it. Raises StoppedError on a signal."""
        while True:
            child = self.dead()
            if child is not None:
                return child
            time.sleep(0.2)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._is_stopping:
            for child in self._children:
                if not child.is_root:
                    child.process.kill()
            return
        self._is_stopping = True
        raise StoppedError(signal.Signals(number).name)


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > KEPT_LOG_BYTES:
        log.replace(log.with_suffix(".1.log"))


def last_lines(log: Path, *, count: int = 15) -> list[str]:
    """The end of a log, for the person at the terminal."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16384))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []


def _die_with(parent: int) -> None:
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
