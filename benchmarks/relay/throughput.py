"""What every chain is measured by in turn: bulk, echo, echo beside bulk, set-up."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .chains import Chain
from .client import Viewer, bulk, close_all, open_viewers
from .load import draining
from .processes import cpu_seconds, wait_until_idle
from .report import Finding, medians, percentile

BULK_VIEWERS = (1, 8)
KIB_PER_LETTER = {"B": 64, "b": 1}
BESIDE = 8
BESIDE_SECONDS = 3.0
BESIDE_WARM_ECHOES = 5
WARM_ECHOES = 50


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    rounds: int
    echo_rounds: int
    """More and shorter ones: where the kernel puts the processes makes an echo half as long or twice, for seconds at a time."""
    bulk_mebibytes: int
    small_mebibytes: int
    echoes: int
    setups: int


FULL = Sizes(rounds=5, echo_rounds=15, bulk_mebibytes=512, small_mebibytes=128, echoes=1000, setups=40)
QUICK = Sizes(rounds=3, echo_rounds=7, bulk_mebibytes=256, small_mebibytes=64, echoes=500, setups=20)

Measure = Callable[[Chain, Sizes], dict[str, float]]


def measure_bulk(chains: Sequence[Chain], sizes: Sizes) -> Finding:
    """Bytes from the display to 1 and to 8 viewers, in writes of 64 KiB and of 1 KiB."""
    columns = []
    for letter in KIB_PER_LETTER:
        for viewers in BULK_VIEWERS:
            columns += [_bulk_column("CPU s/GiB", viewers, letter), _bulk_column("MiB/s", viewers, letter)]
    finding = _in_turn("Bulk", chains, sizes, sizes.rounds, _bulk, columns)
    for viewers in BULK_VIEWERS:
        finding.ratio(
            _bulk_column("CPU s/GiB", viewers, "B"), f"CPU per GiB, {viewers} × 64 KiB, to the better peer", 1.0
        )
    finding.notes.append("1k: the console writes 1 KiB at a time (to nginx and Go as one websocket frame each).")
    return finding


def measure_echo(chains: Sequence[Chain], sizes: Sizes) -> Finding:
    """From a key to the 32 bytes that answer it, one at a time."""
    finding = _in_turn("Echo", chains, sizes, sizes.echo_rounds, _echo, ["p50 µs", "p99 µs", "max µs", "CPU µs"])
    finding.ratio("p50 µs", "echo p50 to the better peer", 1.2)
    finding.ratio("p99 µs", "echo p99 to the better peer (must)", 1.5)
    finding.ratio("p99 µs", "echo p99 to the better peer (aim)", 1.0)
    return finding


def measure_echo_beside_bulk(chains: Sequence[Chain], sizes: Sizes) -> Finding:
    """The same while eight other viewers take all they can get."""
    title = f"Echo of one viewer while {BESIDE} others are bulk"
    finding = _in_turn(title, chains, sizes, sizes.rounds, _echo_beside_bulk, ["p50 ms", "p99 ms", "max ms"])
    finding.notes.append(
        "Client, stub and relay share this machine's cores, so this is mostly how the kernel shares them out."
    )
    return finding


def measure_setup(chains: Sequence[Chain], sizes: Sizes) -> Finding:
    """From the websocket's first packet to RFB's first bytes; CPU of the opening only, the closing left out."""
    finding = _in_turn("Set-up", chains, sizes, sizes.rounds, _setup, ["p50 ms", "p95 ms", "CPU ms"])
    finding.ratio("p50 ms", "set-up time to the better peer", 4.0)
    finding.limit("CPU ms", "CPU of one set-up", 8.0, "ms")
    return finding


def _in_turn(
    title: str, chains: Sequence[Chain], sizes: Sizes, count: int, measure: Measure, columns: Sequence[str]
) -> Finding:
    """Each round goes through all chains, so that what else the machine does meets all of them; the medians count."""
    found: dict[str, list[dict[str, float]]] = {chain.name: [] for chain in chains}
    for number in range(count):
        for chain in chains:
            _progress(f"  {title}: round {number + 1} of {count}, {chain.name}")
            found[chain.name].append(measure(chain, sizes))
            wait_until_idle(chain.pids)  # its closings are neither its next round's nor the next chain's
    _progress("")
    finding = Finding(f"{title} (median of {count})", columns)
    for name, rounds in found.items():
        figures = medians(rounds)
        finding.rows[name] = [figures[column] for column in columns]
    return finding


def _progress(text: str) -> None:
    """One line that overwrites itself, where somebody looks."""
    if sys.stderr.isatty():
        print(f"{text:<79}", end="\r", file=sys.stderr, flush=True)


def _bulk_column(what: str, viewers: int, letter: str) -> str:
    return f"{what} {viewers}×{KIB_PER_LETTER[letter]}k"


def _bulk(chain: Chain, sizes: Sizes) -> dict[str, float]:
    figures = {}
    for letter, mebibytes in (("B", sizes.bulk_mebibytes), ("b", sizes.small_mebibytes)):
        for count in BULK_VIEWERS:
            with _viewers(chain, count) as viewers:
                bulk(viewers, letter, 1)
                before = cpu_seconds(chain.pids)
                seconds = bulk(viewers, letter, mebibytes // count)
                cpu = cpu_seconds(chain.pids) - before
            figures[_bulk_column("CPU s/GiB", count, letter)] = cpu / (mebibytes / 1024)
            figures[_bulk_column("MiB/s", count, letter)] = mebibytes / seconds
    return figures


def _echo(chain: Chain, sizes: Sizes) -> dict[str, float]:
    with _viewers(chain, 1) as (viewer,):
        for _ in range(WARM_ECHOES):
            viewer.echo()
        before = cpu_seconds(chain.pids)
        micros = [viewer.echo() * 1e6 for _ in range(sizes.echoes)]
        cpu = cpu_seconds(chain.pids) - before
    return {
        "p50 µs": percentile(micros, 0.5),
        "p99 µs": percentile(micros, 0.99),
        "max µs": max(micros),
        "CPU µs": cpu / sizes.echoes * 1e6,
    }


def _echo_beside_bulk(chain: Chain, _: Sizes) -> dict[str, float]:
    with _viewers(chain, 1) as (viewer,), draining(chain.address, BESIDE):
        for _number in range(BESIDE_WARM_ECHOES):
            viewer.echo()
        until = time.monotonic() + BESIDE_SECONDS
        millis = [viewer.echo() * 1e3]
        while time.monotonic() < until:
            millis.append(viewer.echo() * 1e3)
    return {"p50 ms": percentile(millis, 0.5), "p99 ms": percentile(millis, 0.99), "max ms": max(millis)}


def _setup(chain: Chain, sizes: Sizes) -> dict[str, float]:
    with ExitStack() as stack:
        before = cpu_seconds(chain.pids)
        millis = []
        for _ in range(sizes.setups):
            viewer = Viewer(chain.address)
            stack.callback(viewer.leave)
            millis.append(viewer.setup_seconds * 1e3)
        cpu = cpu_seconds(chain.pids) - before
    return {
        "p50 ms": percentile(millis, 0.5),
        "p95 ms": percentile(millis, 0.95),
        "CPU ms": cpu / sizes.setups * 1e3,
    }


@contextmanager
def _viewers(chain: Chain, count: int) -> Iterator[list[Viewer]]:
    """Open consoles for the length of a block."""
    viewers = open_viewers(chain.address, count)
    try:
        yield viewers
    finally:
        close_all(viewers, politely=True)
