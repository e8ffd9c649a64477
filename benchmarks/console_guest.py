"""The console relay with a real guest behind it: QEMU (TCG) in a libvirt of its own, whose screen scrolls without end.

    python -m benchmarks.console_guest [--seconds 20]

In turn: the display's own socket, as libvirt hands it out, without any relay; and Eve with its agent. Each with QEMU's raw encoding (the most
bytes) and with ZRLE (as browsers ask for). Prints updates a second, MiB/s, the time from a request to its update, and of the relay's
processes CPU; then the time from a key to what it changes on a screen that rests. Needs root, libvirt and QEMU, as `make test` does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eve_agent.driver.libvirt import LibvirtDriver
from eve_agent.wire.console import ConsoleKind

from benchmarks.relay.eve import RunningEve, running_eve
from benchmarks.relay.processes import cpu_seconds
from benchmarks.relay.report import Finding, percentile
from benchmarks.relay.screen import RAW, ZRLE, DirectWay, RelayedWay, Screen
from tests.services.libvirt import LibvirtSandbox, libvirt_sandbox

GUEST = "bench"
SCROLL = "while true; do dmesg; done"
ENCODINGS = {"raw": RAW, "ZRLE": ZRLE}
KEYS = 60
KEY_PAUSE_SECONDS = 0.1


@contextmanager
def direct(sandbox: LibvirtSandbox, vm_id: str, encoding: int) -> Iterator[Screen]:
    """The screen without a relay, opened as the agent opens it."""

    async def display() -> DirectWay:
        driver = LibvirtDriver(uri=sandbox.uri)
        await driver.start()
        try:
            return DirectWay(await driver.open_console(uuid.UUID(vm_id), ConsoleKind.VNC))
        finally:
            await driver.close()

    screen = Screen(asyncio.run(display()), encoding=encoding, has_banner=False)
    try:
        yield screen
    finally:
        screen.close()


@contextmanager
def relayed(eve: RunningEve, encoding: int) -> Iterator[Screen]:
    """The screen through Eve and the agent."""
    screen = Screen(RelayedWay(eve.address), encoding=encoding, has_banner=True)
    try:
        yield screen
    finally:
        screen.close()


def measure_scrolling(screen: Screen, pids: list[int], seconds: float) -> list[float | str]:
    """Update after update for so long, as a browser asks for them."""
    cpu, received = cpu_seconds(pids), screen.received_bytes
    started = time.monotonic()
    millis = []
    while time.monotonic() - started < seconds:
        millis.append(screen.update() * 1e3)
    lasted = time.monotonic() - started
    mebibytes = (screen.received_bytes - received) / 2**20
    cpu = cpu_seconds(pids) - cpu
    return [
        len(millis) / lasted,
        mebibytes / lasted,
        percentile(millis, 0.5),
        percentile(millis, 0.95),
        cpu / lasted * 100 if pids else "–",
        cpu / mebibytes * 1024 if pids else "–",
    ]


def measure_keys(screen: Screen) -> list[float | str]:
    """From a key to the update that shows it; the guest's cursor does not blink while keys come."""
    millis = []
    for number in range(KEYS):
        time.sleep(KEY_PAUSE_SECONDS)
        started = time.perf_counter()
        screen.press("abcdefgh"[number % 8])
        screen.update()
        millis.append((time.perf_counter() - started) * 1e3)
    return [percentile(millis, 0.5), percentile(millis, 0.95), max(millis)]


def measure(sandbox: LibvirtSandbox, eve: RunningEve, vm_id: str, seconds: float) -> None:
    """Prints both tables."""
    ways: dict[str, tuple[Callable[[int], AbstractContextManager[Screen]], list[int]]] = {
        "no relay": (lambda encoding: direct(sandbox, vm_id, encoding), []),
        "eve": (lambda encoding: relayed(eve, encoding), eve.pids),
    }
    keys = Finding("A key to what it changes on the screen", ["p50 ms", "p95 ms", "max ms"])
    for name, (opened, _) in ways.items():
        with opened(RAW) as screen:
            keys.rows[name] = measure_keys(screen)
    with relayed(eve, RAW) as screen:
        screen.press("\r")
        screen.type_line(SCROLL)
        columns = ["updates/s", "MiB/s", "p50 ms", "p95 ms", "relay CPU %", "relay CPU s/GiB"]
        scrolling = Finding(
            f"A screen that scrolls without end, {screen.width}×{screen.height}, {seconds:g} s each", columns
        )
    for encoding, number in ENCODINGS.items():
        for name, (opened, pids) in ways.items():
            with opened(number) as screen:
                scrolling.rows[f"{name}, {encoding}"] = measure_scrolling(screen, pids, seconds)
    print(f"{scrolling.as_text()}\n\n{keys.as_text()}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each way scrolls (%(default)s)")
    options = parser.parse_args()
    with libvirt_sandbox() as sandbox:
        vm_id = sandbox.start_demo(GUEST)
        with running_eve(libvirt_uri=sandbox.uri, guests=1) as eve:
            measure(sandbox, eve, vm_id, options.seconds)


if __name__ == "__main__":
    main()
