"""Starting and ending the benchmark's helpers, and what the operating system accounts to processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 10
IDLE_SECONDS = 0.1
IDLE_SHARE = 0.05
"""Of a core: what goes on in an Eve at which nobody does anything takes 2 %."""
_TICKS = os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True, slots=True)
class StubPorts:
    """Where the stub console listens on loopback."""

    tcp: int
    websocket: int

    @property
    def console(self) -> str:
        """As ``--fake-console`` takes it."""
        return f"tcp:127.0.0.1:{self.tcp}"


@contextmanager
def running(command: Sequence[str], *, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block; its output goes to `log`, or can be read where there is none."""
    output = log.open("ab") if log else subprocess.PIPE
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=output,
            stderr=output if log else None,
            start_new_session=True,  # Ctrl-C is for the benchmark, which ends its helpers
        )
    finally:
        if not isinstance(output, int):
            output.close()
    try:
        yield process
    finally:
        stop(process)


@contextmanager
def running_stub() -> Iterator[StubPorts]:
    """A stub console in a process of its own."""
    with running([sys.executable, "-m", "benchmarks.relay.stub"]) as process:
        assert process.stdout is not None
        yield StubPorts(**json.loads(process.stdout.readline()))


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Ends it, by force where it does not want to."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def family(pids: Iterable[int]) -> list[int]:
    """`pids` and all that descends from them, as far as it lives."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(_after_name(path)[1])
    found = [pid for pid in pids if pid in parents]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes and their descendants, those that ended included.

    What lives is read from its CPU clock (clock_getcpuclockid(3), nanoseconds), what ended from its parent's ``cutime`` and
    ``cstime`` (proc(5), fields 16 and 17, in ticks).
    """
    total = 0.0
    for pid in family(pids):
        with suppress(OSError):
            ended = sum(int(field) for field in _after_name(Path(f"/proc/{pid}/stat"))[13:15])
            total += time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED) + ended / _TICKS
    return total


def wait_until_idle(pids: Sequence[int], *, at_most_seconds: float = 3.0) -> None:
    """Waits until processes and their descendants have done what they were given to do."""
    until = time.monotonic() + at_most_seconds
    before = cpu_seconds(pids)
    while time.monotonic() < until:
        time.sleep(IDLE_SECONDS)
        now = cpu_seconds(pids)
        if now - before < IDLE_SHARE * IDLE_SECONDS:
            return
        before = now


@contextmanager
def awake_cores() -> Iterator[None]:
    """Keeps the machine's cores from sleeping (PM QoS): without that, an echo is mostly cores that wake up. Raises OSError."""
    handle = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
    try:
        os.write(handle, bytes(4))
        yield
    finally:
        os.close(handle)


def memory_bytes(pids: Iterable[int]) -> int:
    """Proportional set size of processes and their descendants (proc(5), smaps_rollup)."""
    total = 0
    for pid in family(pids):
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds."""

    descriptors: int
    threads: int
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> Footprint:
        """Right now. Raises OSError where it has ended."""
        process = Path(f"/proc/{pid}")
        fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return cls(
            descriptors=sum(1 for _ in (process / "fd").iterdir()),
            threads=int(fields["Threads"]),
            resident_bytes=int(fields["VmRSS"].split()[0]) * 1024,
        )


def _after_name(stat: Path) -> list[str]:
    """The fields of a stat file from the third on; the second, a name in parentheses, may hold spaces. Raises OSError."""
    return stat.read_text().rpartition(")")[2].split()
