"""Very many consoles at the same moment, and a server that stops under them."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from eve_agent.wire.close import RETRYABLE, CloseCode
from websockets.exceptions import ConnectionClosed

from benchmarks.relay.eve import LIMITS
from consoles.pump import CLOSED_WITHOUT_A_WORD
from tests.e2e.house import house

from .conftest import OLIVIA, Estate, populate
from .holdings import MIB, holdings, memory_bytes, wait_given_back
from .rfb import Display, Viewer

CROWD = 300
STOPPED_UNDER = 50
OPEN_SECONDS = 60
STOP_SECONDS = 8
"""systemd would wait 15 (deploy/systemd)."""
MOST_BYTES = 12 * MIB
"""Less than half of what the crowd holds while it is there."""
ENDED = """
from collections import Counter
from consoles.models import ConsoleSession
rows = ConsoleSession.objects.order_by("-started_at")[:{count}]
print(dict(Counter((row.close_code, row.ended_at is not None) for row in rows)))
"""


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    """The crowd's own."""
    shown = Display()
    yield shown
    shown.close()


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory, display: Display) -> Iterator[Estate]:
    """An Eve on which one user may open all consoles of one machine."""
    with house(tmp_path_factory.mktemp("crowded"), fake_console=display.address, settings=LIMITS) as home:
        yield populate(home)


def test_a_crowd_comes_at_the_same_moment(crowded: Estate, display: Display) -> None:
    assert come_and_go(crowded) == CROWD
    before, held = memory_bytes(crowded.home), holdings(crowded.home)
    begun = time.monotonic()
    come_and_go(crowded)
    assert time.monotonic() - begun < OPEN_SECONDS
    wait_given_back(crowded.home, held)
    assert display.viewers == 0
    grown = [now - then for now, then in zip(memory_bytes(crowded.home), before, strict=True)]
    assert max(grown) < MOST_BYTES, grown


def come_and_go(crowded: Estate) -> int:
    """How many of the crowd got a living console; the others were told to come back."""
    url = crowded.socket_url(crowded.vms[0], f"token={crowded.token(OLIVIA)}")

    def come(_number: int) -> Viewer | int:
        try:
            viewer = Viewer(url, ping_interval=None).greet()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else CLOSED_WITHOUT_A_WORD
        assert viewer.rings()
        return viewer

    with ThreadPoolExecutor(CROWD) as pool:
        came = list(pool.map(come, range(CROWD), timeout=OPEN_SECONDS))
        viewers = [viewer for viewer in came if isinstance(viewer, Viewer)]
        refused = Counter(code for code in came if not isinstance(code, Viewer))
        assert set(refused) <= RETRYABLE, refused
        assert all(pool.map(Viewer.rings, viewers))
        list(pool.map(Viewer.close, viewers))
    return len(viewers)


def test_a_server_that_stops_under_many(crowded: Estate, display: Display) -> None:
    """One of whom reads nothing while its guest repaints."""
    home = crowded.home
    url = crowded.socket_url(crowded.vms[0], f"token={crowded.token(OLIVIA)}")
    viewers = [Viewer(url, ping_interval=None).greet() for _ in range(STOPPED_UNDER)]
    deaf = viewers.pop()
    display.is_flooding.set()
    deaf.press()
    time.sleep(1)
    assert home.eve is not None
    home.eve.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    try:
        for viewer in viewers:
            code, _seconds = viewer.end(seconds=STOP_SECONDS)
            assert code == CloseCode.SERVICE_RESTART
        home.eve.wait(STOP_SECONDS)
    finally:
        display.is_flooding.clear()
    assert time.monotonic() - begun < STOP_SECONDS
    assert home.shell(ENDED.format(count=STOPPED_UNDER)).strip().endswith("{(1012, True): 50}")
    home.start_eve()
    home.manage("hypervisor_wait", "hv1", "--seconds", "30")
    assert crowded.watch(OLIVIA, crowded.vms[0]).rings()
    deaf.socket.socket.close()
