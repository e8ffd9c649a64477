"""Steps of a set-up: each says what it does, is skipped when done, and fails with one clear sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

SUDO_SECONDS = 60.0
"""How often sudo is told to go on remembering; by default it forgets after 15 minutes, on some machines after 5."""
PROGRESS_SECONDS = 10.0
"""How often a long step says that it is still at it, where no terminal shows it live."""


class StepError(Exception):
    """A step failed. ``remedy`` says what to do; ``log`` names the file with the details."""

    def __init__(self, message: str, *, remedy: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.message, self.remedy, self.log = message, remedy, log

    def sentence(self) -> str:
        """What happened, what to do, and where to read more."""
        where = f" (details: {self.log})" if self.log is not None else ""
        return f"{self.message.rstrip('.')}. {self.remedy.rstrip('.')}{where}."


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to set up. ``do`` may return a few words about what came of it."""

    name: str
    is_done: Callable[[], bool]
    do: Callable[[], str | None]


class Console:
    """Where the set-up talks to the person who started it: one line a step, live on a terminal."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._is_live = stream.isatty()
        self._label = ""
        self._started = self._said = time.monotonic()

    def begin(self, label: str) -> None:
        """A step begins."""
        self._label = label
        self._started = self._said = time.monotonic()
        if self._is_live:
            self._show(f"{label} ...")

    def progress(self, text: str) -> None:
        """The step is at ``text``: at once on a terminal, every 10 s elsewhere."""
        now = time.monotonic()
        elapsed = now - self._started
        if self._is_live:
            self._show(f"{self._label}: {text} ({elapsed:.0f} s)")
        elif now - self._said >= PROGRESS_SECONDS:
            self._said = now
            self.line(f"{self._label}: {text[:80]} ({elapsed:.0f} s)")

    def end(self, text: str) -> None:
        """The step is over."""
        elapsed = time.monotonic() - self._started
        took = f" ({elapsed:.0f} s)" if elapsed >= 1 else ""
        self.line(f"{self._label}: {text}{took}")

    def line(self, text: str) -> None:
        """A line that stays."""
        clear = "\r\x1b[K" if self._is_live else ""
        self._stream.write(f"{clear}{text}\n")
        self._stream.flush()

    def _show(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{text[:width]}")
        self._stream.flush()


def run_steps(steps: Sequence[Step], *, console: Console, first: int, total: int) -> None:
    """Do the steps in order, numbered from ``first``. Raises StepError from the first that fails, with its name in front."""
    for number, step in enumerate(steps, start=first):
        console.begin(f"[{number}/{total}] {step.name}")
        try:
            if step.is_done():
                console.end("done already")
                continue
            console.end(step.do() or "done")
        except StepError as error:
            console.end("FAILED")
            raise StepError(f"{step.name}: {error.message}", remedy=error.remedy, log=error.log) from error


def run_logged(
    command: Sequence[str],
    *,
    log: Path,
    console: Console,
    what: str,
    remedy: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 1800,
) -> None:
    """Run a long command with its output in ``log`` and its last line as progress.

    Raises:
        StepError: it cannot be started, ends with another code than 0, or takes longer than ``timeout_seconds``.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write(f"\n$ {' '.join(command)}\n".encode())
        output.flush()
        start = output.tell()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise StepError(f"{what} did not start: {error}", remedy=remedy, log=log) from error
        deadline = time.monotonic() + timeout_seconds
        try:
            while True:
                try:
                    code = process.wait(0.5)
                    break
                except subprocess.TimeoutExpired:
                    console.progress(last_line(log, after=start) or what)
                    if time.monotonic() > deadline:
                        raise StepError(
                            f"{what} took longer than {timeout_seconds / 60:.0f} minutes", remedy=remedy, log=log
                        ) from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if code != 0:
        raise StepError(f"{what} failed: {last_line(log, after=start) or f'code {code}'}", remedy=remedy, log=log)


def last_line(log: Path, *, after: int = 0) -> str:
    """The last line of a growing log that says something, at most 200 characters of it; nothing from before byte `after`."""
    try:
        with log.open("rb") as file:
            file.seek(max(after, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").replace("\r", "\n").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")


def elevated(command: Sequence[str]) -> list[str]:
    """The command as root: itself, or through sudo. Raises StepError where there is no sudo."""
    if os.geteuid() == 0:
        return list(command)
    if shutil.which("sudo") is None:
        raise StepError("this needs root, and there is no sudo", remedy="Run make as root, or install sudo")
    return ["sudo", *command]


def authenticate() -> None:
    """Let sudo ask for a password now, while nothing else writes to the terminal, if it needs one. Raises StepError where it refuses."""
    if is_root_now() or subprocess.run(elevated(["-v"]), check=False).returncode == 0:
        return
    raise StepError("sudo refused", remedy="Run make as root or as a user who may use sudo")


def is_root_now() -> bool:
    """Whether a command can be run as root without a question."""
    if os.geteuid() == 0:
        return True
    sudo = shutil.which("sudo")
    return sudo is not None and subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode == 0


@contextmanager
def authenticated(console: Console, *, why: str) -> Iterator[None]:
    """Let sudo ask once, now, and not again until the end, however long that takes. Raises StepError where it refuses."""
    if not is_root_now():
        console.line(f"sudo is asked, once: {why}")
        authenticate()
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(SUDO_SECONDS):
            is_root_now()

    keeper = threading.Thread(target=keep, name="sudo", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()


def stamp_matches(stamp: Path, value: str) -> bool:
    """Whether a step left ``value`` behind when it was done. A damaged stamp is a step that is done again."""
    try:
        return stamp.read_text() == value
    except (OSError, UnicodeDecodeError):
        return False
