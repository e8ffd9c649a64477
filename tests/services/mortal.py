"""Processes that are killed in the middle, each forked from one that has everything loaded: starting afresh takes two seconds of a core.

``python -m tests.services.mortal`` is what they are forked from; it has no threads, no connections and nothing of a test's.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120
Say = Callable[[str], None]
"""Tells the test something, at once."""
MortalRun = Callable[..., tuple[bool, str]]
"""``run(target, *arguments)``: ``target(say, *arguments)`` in a process of its own. Returns whether it was killed, and what it said.

Raises AssertionError if it ended otherwise than by coming to its end or by SIGKILL.
"""


@contextmanager
def mortal_runner() -> Iterator[MortalRun]:
    """What runs functions of modules in processes that may be killed; one at a time."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.services.mortal"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": ".:agent/src"},
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    orders, answers = parent.stdin, parent.stdout

    def run(target: Callable[..., Any], *arguments: Any) -> tuple[bool, str]:
        pickle.dump((target, arguments), orders)
        orders.flush()
        code, said = pickle.load(answers)
        assert code in (0, -signal.SIGKILL), said
        return code != 0, said

    try:
        yield run
    finally:
        orders.close()
        answers.close()
        parent.wait(30)


def _serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    while True:
        try:
            target, arguments = pickle.load(orders)
        except EOFError:
            return
        hearing, saying = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(hearing)
            os._exit(_live(target, arguments, saying))
        os.close(saying)
        with os.fdopen(hearing, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(pid, 0)
        pickle.dump((os.waitstatus_to_exitcode(status), said), answers)
        answers.flush()


def _live(target: Callable[..., Any], arguments: tuple[Any, ...], saying: int) -> int:
    def say(text: str) -> None:
        os.write(saying, text.encode())

    signal.alarm(SECONDS)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    try:
        target(say, *arguments)
    except BaseException:
        say(traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    import django

    django.setup()
    # What they need, loaded before the first is forked; agents' driver and Eve's worker.
    import tests.agent.driver.mortal
    import tests.vms.mortal_worker  # noqa: F401

    _serve(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
