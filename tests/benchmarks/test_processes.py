"""What the operating system says of processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from benchmarks.relay.processes import cpu_seconds, family, memory_bytes, wait_until_idle

BURN = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
child = subprocess.Popen([sys.executable, "-c", {BURN!r} + "print('burnt', flush=True); input()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.read()
child.communicate()
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process with one child that has ended and one that lives; each took 0.3 s of CPU."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()


def test_cpu_is_that_of_a_process_and_of_its_children_also_ended_ones(parent: subprocess.Popen[str]) -> None:
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "burnt\n"
    assert set(family([parent.pid])) == {parent.pid, child}
    assert 0.3 <= cpu_seconds([child]) < 0.6
    assert 0.6 <= cpu_seconds([parent.pid]) < 1.5
    assert memory_bytes([parent.pid]) > memory_bytes([child]) > 2**20


def test_cpu_is_as_exact_as_the_processs_own_clock() -> None:
    before, own = cpu_seconds([os.getpid()]), time.process_time()
    until = own + 0.05
    while time.process_time() < until:
        pass
    grown = cpu_seconds([os.getpid()]) - before
    assert 0.05 <= grown < 0.05 + 0.05


def test_idle_is_who_has_done_what_there_was_to_do(parent: subprocess.Popen[str]) -> None:
    parent.stdout.readline()
    wait_until_idle([parent.pid], at_most_seconds=20)
    assert cpu_seconds([parent.pid]) >= 0.6


def test_who_never_is_idle_is_not_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        started = time.monotonic()
        wait_until_idle([busy.pid], at_most_seconds=0.5)
        assert 0.5 <= time.monotonic() - started < 5
        busy.kill()


def test_what_has_ended_has_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert family([gone.pid]) == []
    assert cpu_seconds([gone.pid]) == 0
    assert memory_bytes([gone.pid]) == 0
