"""What Eve has to bear: many idle consoles, a slow reader, one that stops, a flood, pages and a resync beside the echo."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from eve_agent.wire.close import CloseCode

from .chains import EVE, MAKERS, Chain
from .client import Address, Ended, Viewer, close_all, masked_frame, open_viewers
from .eve import CUSTOMERS_GUESTS, MANY_GUESTS, RunningEve, running_eve
from .load import visiting
from .processes import Footprint, StubPorts, cpu_seconds, memory_bytes
from .report import Aim, Finding, percentile
from .stub import key_event

IDLE_CONSOLES = (200, 500)
FORKING = "websockify"
"""A process a console: measured with the smaller number only."""
SETTLE_SECONDS = 1.0
SLOW_BYTES_PER_SECOND = 16 * 1024
SLOW_TURNS_PER_SECOND = 4
SLOW_RECEIVE_BUFFER_BYTES = 16 * 1024
OTHERS = 20
ECHOES_PER_SECOND = 100
GROWTH_MEBIBYTES = 4.0
STALLED_SECONDS = 45.0
WATCH_SECONDS = 90.0
POLL_SECONDS = 0.5
SENDS_PER_TURN = 4096
FLOOD = masked_frame(key_event("e") * 1024)
PAGES_PER_SECOND = 20.0
RESYNC_SECONDS = 5
KEYS_PER_SECOND = 5.0
CROWDS = (1, 20, 50, 100, 200)
_MIB = 2**20


def measure_idle(stub: StubPorts, names: Sequence[str]) -> Finding:
    """Memory of open consoles on which nothing happens, over all processes of the chain; then each of 500 has to answer.

    Every chain is a fresh one: what was freed after other measures would be used again, and hide what a console takes.
    """
    finding = Finding("Idle consoles", [f"KiB each of {count}" for count in IDLE_CONSOLES] + ["answer"])
    for name in names:
        with ExitStack() as stack:
            if name == EVE:
                eve = stack.enter_context(running_eve(stub.console))
                chain = Chain(EVE, eve.address, eve.pids)
            else:
                chain = stack.enter_context(MAKERS[name](stub))
            figures, live, opened = _idle(chain)
        finding.rows[name] = [*figures, f"{live} of {opened}"]
        if name == EVE:
            finding.aims.append(Aim("open consoles that do not answer", float(opened - live), 0))
    for count in IDLE_CONSOLES:
        finding.limit(f"KiB each of {count}", f"memory per idle console, {count} open", 96, "KiB")
    return finding


def _idle(chain: Chain) -> tuple[list[float | str], int, int]:
    close_all(open_viewers(chain.address, 5), politely=True)
    time.sleep(SETTLE_SECONDS)
    before = memory_bytes(chain.pids)
    viewers: list[Viewer] = []
    figures: list[float | str] = []
    try:
        for count in IDLE_CONSOLES:
            if chain.name == FORKING and count > min(IDLE_CONSOLES):
                figures.append("–")
                continue
            viewers += open_viewers(chain.address, count - len(viewers))
            time.sleep(SETTLE_SECONDS)
            figures.append((memory_bytes(chain.pids) - before) / count / 1024)
        return figures, sum(answers(viewer) for viewer in viewers), len(viewers)
    finally:
        close_all(viewers, politely=True)


def answers(viewer: Viewer) -> bool:
    """Whether an echo comes back."""
    try:
        viewer.echo()
    except (Ended, OSError):
        return False
    return True


class Watch:
    """How much Eve and the agent grow (resident memory) from now on."""

    def __init__(self, eve: RunningEve) -> None:
        self._pids = dict(zip(("eve", "agent"), eve.pids, strict=True))
        self._before = {name: Footprint.of(pid).resident_bytes for name, pid in self._pids.items()}
        self.growth_mebibytes = dict.fromkeys(self._pids, 0.0)
        self._due = 0.0

    def look(self) -> None:
        """Twice a second at most."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + POLL_SECONDS
        for name, pid in self._pids.items():
            grown = (Footprint.of(pid).resident_bytes - self._before[name]) / _MIB
            self.growth_mebibytes[name] = max(self.growth_mebibytes[name], grown)

    def judge(self, finding: Finding) -> None:
        """Adds the aims."""
        for name, grown in self.growth_mebibytes.items():
            finding.aims.append(Aim(f"growth of {name}", grown, GROWTH_MEBIBYTES, "MiB"))


def measure_slow_reader(eve: RunningEve, seconds: float) -> Finding:
    """One viewer reads 16 KiB/s while its guest repaints without end; twenty others press keys."""
    others = open_viewers(eve.address, OTHERS)
    try:
        alone = _paced_echoes(others, min(10.0, seconds), lambda: None)
        slow = Viewer(eve.address, receive_buffer_bytes=SLOW_RECEIVE_BUFFER_BYTES)
        others.append(slow)
        slow.greet()
        slow.socket.setblocking(False)
        reader = _SlowReader(slow)
        watch = Watch(eve)
        slow.command("B", 0)

        def beside() -> None:
            reader.turn()
            watch.look()

        beside_slow = _paced_echoes(others[:OTHERS], seconds, beside)
    finally:
        close_all(others)
    before, during = (percentile(echoes, 0.95) * 1e3 for echoes in (alone, beside_slow))
    finding = Finding(
        f"A reader of 16 KiB/s, {seconds:g} s",
        ["others' p95 ms before", "during", "growth eve MiB", "agent MiB", "KiB read"],
    )
    finding.rows[EVE] = [before, during, *watch.growth_mebibytes.values(), slow.received_bytes / 1024]
    watch.judge(finding)
    finding.aims.append(Aim("p95 of 20 others, during to before", during / before, 1.5, "×"))
    lost = seconds - (reader.ended_after if reader.ended_after is not None else seconds)
    finding.aims.append(
        Aim("seconds that the slow reader was cut short", lost, 0, "s", f"close code {reader.code}" if lost else "")
    )
    return finding


class _SlowReader:
    """Takes 4 KiB four times a second."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._started = self._due = time.monotonic()
        self.ended_after: float | None = None
        self.code = 0

    def turn(self) -> None:
        if self.ended_after is not None or time.monotonic() < self._due:
            return
        self._due += 1 / SLOW_TURNS_PER_SECOND
        try:
            with contextlib.suppress(BlockingIOError):
                self._viewer.receive(SLOW_BYTES_PER_SECOND // SLOW_TURNS_PER_SECOND)
        except (Ended, OSError):
            self.ended_after = time.monotonic() - self._started
            self.code = self._viewer.close_code


def _paced_echoes(
    viewers: Sequence[Viewer], seconds: float, beside: Callable[[], None], per_second: float = ECHOES_PER_SECOND
) -> list[float]:
    """Echoes in turn, so many a second, with `beside` in between. Returns the seconds of each."""
    found: list[float] = []
    started = due = time.monotonic()
    while due - started < seconds:
        viewer = viewers[len(found) % len(viewers)]
        found.append(viewer.echo())
        beside()
        due = max(due + 1 / per_second, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
    return found


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a session ended that its viewer did not end."""

    seconds: float
    code: int
    reason: str


def measure_stopped_reader(eve: RunningEve) -> Finding:
    """A viewer reads nothing more while its guest repaints."""
    with _console(eve, receive_buffer_bytes=SLOW_RECEIVE_BUFFER_BYTES) as (viewer, session):
        watch = Watch(eve)
        viewer.command("B", 0)
        ending = _wait_ended(eve, session, watch.look)
    return _judged("A reader that stops", ending, watch)


def measure_flood(eve: RunningEve) -> Finding:
    """A viewer sends keys as fast as it can to a display that reads nothing."""
    with _console(eve) as (viewer, session):
        watch = Watch(eve)
        viewer.command("S")
        viewer.socket.setblocking(False)
        flood = _Flood(viewer.socket)

        def beside() -> None:
            flood.turn()
            watch.look()

        ending = _wait_ended(eve, session, beside)
    finding = _judged("A flood of keys to a display that reads nothing", ending, watch)
    finding.notes.append(f"{flood.sent_bytes / _MIB:.1f} MiB were taken from the viewer, kernel buffers included.")
    return finding


@contextlib.contextmanager
def _console(eve: RunningEve, *, receive_buffer_bytes: int = 0) -> Iterator[tuple[Viewer, str]]:
    address, session = eve.ticket()
    viewer = Viewer(address, receive_buffer_bytes=receive_buffer_bytes)
    try:
        viewer.greet()
        yield viewer, session
    finally:
        viewer.close()


class _Flood:
    """Key presses without end, in whole frames."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = memoryview(b"")
        self.sent_bytes = 0

    def turn(self) -> None:
        """Sends until the kernel takes no more, or its turn is over."""
        with contextlib.suppress(OSError):
            for _ in range(SENDS_PER_TURN):
                self._rest = self._rest or memoryview(FLOOD)
                count = self._connection.send(self._rest)
                self.sent_bytes += count
                self._rest = self._rest[count:]


def _wait_ended(eve: RunningEve, session: str, beside: Callable[[], None]) -> _Ending | None:
    """Waits until Eve says that the session ended."""
    started = time.monotonic()
    while time.monotonic() - started < WATCH_SECONDS:
        beside()
        said = eve.session(session)
        if said["state"] == "ended":
            return _Ending(time.monotonic() - started, said["close_code"] or 0, said["reason"])
        time.sleep(POLL_SECONDS)
    return None


def _judged(title: str, ending: _Ending | None, watch: Watch) -> Finding:
    finding = Finding(title, ["ended after s", "close code", "growth eve MiB", "agent MiB"])
    seconds = ending.seconds if ending else WATCH_SECONDS
    code = str(ending.code) if ending else "still open"
    finding.rows[EVE] = [seconds, code, *watch.growth_mebibytes.values()]
    watch.judge(finding)
    finding.aims.append(Aim("noticed after", seconds, STALLED_SECONDS + 2 * POLL_SECONDS, "s"))
    wrong = float(ending is None or ending.code != CloseCode.STALLED)
    finding.aims.append(
        Aim("sessions that did not end as stalled (4011)", wrong, 0, detail=ending.reason if ending else "")
    )
    return finding


def measure_busy(stub: StubPorts, seconds: float) -> Finding:
    """Echo while the same Eve serves 20 pages a second and takes in 500 guests anew every five seconds."""
    finding = Finding(
        f"Echo beside {PAGES_PER_SECOND:g} pages/s and a resync of {MANY_GUESTS} guests every {RESYNC_SECONDS} s",
        ["p50 ms", "p99 ms", "max ms"],
    )
    with running_eve(stub.console, guests=MANY_GUESTS, settings={"EVE_RESYNC_SECONDS": str(RESYNC_SECONDS)}) as eve:
        viewers = open_viewers(eve.address, 1)
        try:
            resync_only = _echo_row(viewers, seconds)
            pages = ["/", "/vms/", f"/vms/{eve.vm_ids[-1]}/"]
            base = Address.of(eve.websocket_url)
            with visiting(base, eve.page_cookie(), pages, PAGES_PER_SECOND) as load:
                busy = _echo_row(viewers, seconds)
        finally:
            close_all(viewers)
    finding.rows = {"eve, resyncs only": resync_only, EVE: busy}
    finding.limit("p99 ms", "echo p99", 5.0, "ms")
    served = load.report["per_second"]
    finding.aims.append(Aim("pages per second short of 20", max(0.0, PAGES_PER_SECOND - served), 1.0))
    finding.notes.append(f"The pages are those of a customer with {CUSTOMERS_GUESTS} VMs: dashboard, list, one VM.")
    finding.notes.append(f"{served:.1f} pages/s were served, median {load.report['median_ms']:.0f} ms.")
    return finding


def measure_crowd(stub: StubPorts, seconds: float) -> Finding:
    """Echoes of many consoles at which people type, while the same Eve serves 20 pages a second."""
    finding = Finding(
        f"Echo of many consoles with {KEYS_PER_SECOND:g} keys/s each, beside {PAGES_PER_SECOND:g} pages/s",
        ["p50 ms", "p99 ms", "max ms", "eve % of a core", "agent % of a core"],
    )
    with running_eve(stub.console, guests=MANY_GUESTS) as eve:
        base, cookie = Address.of(eve.websocket_url), eve.page_cookie()
        with visiting(base, cookie, ["/", "/vms/", f"/vms/{eve.vm_ids[-1]}/"], PAGES_PER_SECOND):
            for count in CROWDS:
                viewers = open_viewers(eve.address, count)
                try:
                    before, started = [cpu_seconds([pid]) for pid in eve.pids], time.monotonic()
                    millis = [
                        echo * 1e3
                        for echo in _paced_echoes(viewers, seconds / 2, lambda: None, count * KEYS_PER_SECOND)
                    ]
                    took = time.monotonic() - started
                    shares = [
                        100 * (cpu_seconds([pid]) - cpu) / took for pid, cpu in zip(eve.pids, before, strict=True)
                    ]
                finally:
                    close_all(viewers)
                finding.rows[f"{count} consoles"] = [
                    percentile(millis, 0.5),
                    percentile(millis, 0.99),
                    max(millis),
                    *shares,
                ]
    return finding


def _echo_row(viewers: Sequence[Viewer], seconds: float) -> list[float | str]:
    millis = [echo * 1e3 for echo in _paced_echoes(viewers, seconds, lambda: None)]
    return [percentile(millis, 0.5), percentile(millis, 0.99), max(millis)]
