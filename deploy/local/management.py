"""One ``manage.py`` for many commands: a process that is started once and told what to run (see ``manage_many.py``)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO


class CommandFailedError(Exception):
    """A command failed: ``command`` is its name, or ``check`` where the settings hold mistakes; the text says why."""

    def __init__(self, command: str, reason: str) -> None:
        super().__init__(reason)
        self.command = command


class NoManagementError(Exception):
    """Django did not start, or ended in the middle; its log says why."""


class Management:
    """Runs management commands one after the other; the first of them starts the process."""

    def __init__(self, *, python: str, root: Path, environment: Mapping[str, str], log: Path) -> None:
        self._python, self._root, self._environment, self._log = python, root, environment, log
        self._process: subprocess.Popen[str] | None = None

    def run(self, *words: str) -> str:
        """What the command printed. Raises CommandFailedError or NoManagementError."""
        self._process = self._process or self._start()
        orders, answers = _pipes(self._process)
        with suppress(BrokenPipeError):  # its last answer, if there is one, says why
            orders.write(json.dumps(words) + "\n")
            orders.flush()
        line = answers.readline()
        if not line:
            raise NoManagementError
        answer = json.loads(line)
        if "error" in answer:
            raise CommandFailedError(answer["command"], answer["error"])
        return str(answer["output"])

    def close(self) -> None:
        """End the process, also in the middle of a command."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in _pipes(self._process):
            with suppress(BrokenPipeError):
                pipe.close()
        self._process = None

    def _start(self) -> subprocess.Popen[str]:
        with self._log.open("ab") as errors:
            return subprocess.Popen(
                [self._python, "-m", "deploy.local.manage_many"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._root,
                env=self._environment,
                start_new_session=True,
                text=True,
            )


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout
