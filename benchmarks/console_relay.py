"""What the console relay costs, beside nginx, Go's reverse proxy and websockify.

    python -m benchmarks.console_relay [--quick] [--only bulk,echo] [--peers nginx,go] [--json FILE]

starts everything itself, measures, prints a table for each measure with the ratio to the better peer and the aim, and ends everything.
Loopback only. The exit code is 0 also where an aim is missed.

    python -m benchmarks.console_relay --serve --console tcp:HOST:PORT

starts Eve and an agent on that console (an RFB 3.8 server without authentication), prints one line of JSON,
``{"url": "ws://…?token=…", "pids": [Eve's and the agent's]}``, and stays up until SIGTERM, for a client from outside.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eve_agent.config import Address

from benchmarks.relay import endurance, throughput
from benchmarks.relay.chains import EVE, MAKERS, PEERS, Chain, NotInstalled
from benchmarks.relay.eve import RunningEve, running_eve
from benchmarks.relay.processes import StubPorts, awake_cores, running_stub
from benchmarks.relay.report import Finding
from benchmarks.relay.serve import serve

OPEN_FILES = 65536
START_SECONDS = 12


@dataclass(frozen=True, slots=True)
class Lab:
    """What is running, and how much is measured."""

    eve: RunningEve
    chains: Sequence[Chain]
    """Eve's and the peers'."""
    stub: StubPorts
    sizes: throughput.Sizes
    slow_seconds: float
    busy_seconds: float


@dataclass(frozen=True, slots=True)
class Measure:
    """One table; about how long it takes: for each chain and round, and beside that."""

    run: Callable[[Lab], Finding]
    round_seconds: float = 0.0
    seconds: Callable[[Lab], float] = lambda lab: 0.0

    def estimate_seconds(self, lab: Lab) -> float:
        """Roughly."""
        return self.round_seconds * lab.sizes.rounds * len(lab.chains) + self.seconds(lab)


MEASURES = {
    "bulk": Measure(lambda lab: throughput.measure_bulk(lab.chains, lab.sizes), 3),
    "echo": Measure(lambda lab: throughput.measure_echo(lab.chains, lab.sizes), 1),
    "echo-beside-bulk": Measure(lambda lab: throughput.measure_echo_beside_bulk(lab.chains, lab.sizes), 4),
    "setup": Measure(lambda lab: throughput.measure_setup(lab.chains, lab.sizes), 0.5),
    "idle": Measure(
        lambda lab: endurance.measure_idle(lab.stub, [chain.name for chain in lab.chains]),
        0,
        lambda lab: 10.0 * len(lab.chains) + 30,
    ),
    "slow-reader": Measure(
        lambda lab: endurance.measure_slow_reader(lab.eve, lab.slow_seconds), 0, lambda lab: lab.slow_seconds + 12
    ),
    "stopped-reader": Measure(
        lambda lab: endurance.measure_stopped_reader(lab.eve), 0, lambda lab: endurance.STALLED_SECONDS
    ),
    "flood": Measure(lambda lab: endurance.measure_flood(lab.eve), 0, lambda lab: endurance.STALLED_SECONDS),
    "busy": Measure(
        lambda lab: endurance.measure_busy(lab.stub, lab.busy_seconds),
        0,
        lambda lab: 2 * lab.busy_seconds + START_SECONDS,
    ),
    "crowd": Measure(
        lambda lab: endurance.measure_crowd(lab.stub, lab.busy_seconds),
        0,
        lambda lab: len(endurance.CROWDS) * lab.busy_seconds / 2 + START_SECONDS,
    ),
}


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and bytes: a first look, no figures to keep")
    parser.add_argument(
        "--only", type=names_of(MEASURES), default=list(MEASURES), metavar="NAMES", help=", ".join(MEASURES)
    )
    parser.add_argument("--peers", type=names_of(PEERS), default=list(PEERS), metavar="NAMES", help=", ".join(PEERS))
    parser.add_argument(
        "--slow-seconds", type=float, help="how long the slow reader reads (60; 600 for the aim's ten minutes)"
    )
    parser.add_argument(
        "--awake", action="store_true", help="keep the cores from sleeping meanwhile: steadier times (root)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--serve", action="store_true", help="measure nothing: start Eve and an agent on --console")
    parser.add_argument("--console", type=console_address, metavar="tcp:HOST:PORT", help="the RFB server for --serve")
    return parser


def names_of(known: Sequence[str] | dict[str, Measure]) -> Callable[[str], list[str]]:
    """A parser of ``one,two``; nothing at all is none of them."""

    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return parse


def console_address(text: str) -> str:
    """``tcp:HOST:PORT``, checked. Raises argparse.ArgumentTypeError."""
    try:
        if not text.startswith("tcp:"):
            raise ValueError(f"{text!r} is no tcp:HOST:PORT")
        Address.parse(text.removeprefix("tcp:"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def main() -> None:
    """The command."""
    parser = arguments()
    options = parser.parse_args()
    allow_open_files()
    if options.serve:
        if options.console is None:
            parser.error("--serve needs a --console tcp:HOST:PORT")
        serve(options.console)
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
    try:
        measure(options)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def stopped(number: int, frame: FrameType | None) -> None:
    """SIGTERM and Ctrl-C end the benchmark, also one that a shell started in the background, where Python would not notice Ctrl-C."""
    raise KeyboardInterrupt


def measure(options: argparse.Namespace) -> None:
    """Starts the chains, takes the measures, prints and writes what they found."""
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}{', cores kept awake' if options.awake else ''}"
    )
    findings: dict[str, Finding] = {}
    with ExitStack() as stack:
        if options.awake:
            try:
                stack.enter_context(awake_cores())
            except OSError as error:
                raise SystemExit(f"--awake: {error}; it needs root, and a kernel with CPU idle states") from error
        stub = stack.enter_context(running_stub())
        eve = stack.enter_context(running_eve(stub.console))
        chains = [Chain(EVE, eve.address, eve.pids)]
        for name in options.peers:
            try:
                chains.append(stack.enter_context(MAKERS[name](stub)))
            except NotInstalled as reason:
                print(reason)
        lab = Lab(
            eve,
            chains,
            stub,
            throughput.QUICK if options.quick else throughput.FULL,
            slow_seconds=options.slow_seconds or (15 if options.quick else 60),
            busy_seconds=10 if options.quick else 20,
        )
        minutes, seconds = divmod(round(sum(MEASURES[name].estimate_seconds(lab) for name in options.only)), 60)
        print(f"This takes about {minutes} min {seconds} s.", flush=True)
        for name in options.only:
            started = time.monotonic()
            findings[name] = MEASURES[name].run(lab)
            print(f"\n{findings[name].as_text()}\n  ({time.monotonic() - started:.0f} s)", flush=True)
    missed = [f"{finding.title}: {aim}" for finding in findings.values() for aim in finding.aims if not aim.is_met]
    aims = sum(len(finding.aims) for finding in findings.values())
    print(f"\n{aims - len(missed)} of {aims} aims are met." + "".join(f"\n  {line}" for line in missed))
    if options.json:
        options.json.write_text(
            json.dumps({name: finding.as_plain() for name, finding in findings.items()}, indent=2) + "\n"
        )


def allow_open_files() -> None:
    """As many as this user may have: 500 consoles take over 2000 in all, and the usual limit is 1024 a process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
