"""Connections that are reset in the middle of a frame, wherever: the other ends hear of it at a frame's border, and nothing stays behind."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from eve_agent.wire.close import CloseCode
from websockets.exceptions import ConnectionClosed

from benchmarks.relay.client import Address, masked_frame
from benchmarks.relay.client import Viewer as RawViewer
from benchmarks.relay.stub import key_event
from consoles.pump import CLOSED_WITHOUT_A_WORD
from tests.e2e.house import house
from tests.services.line import RESET_WHEN_CLOSED, Line

from .conftest import OLIVIA, Estate, populate
from .holdings import holdings, wait_given_back
from .rfb import Display, Viewer

CUTS = 10
NOTICED_SECONDS = 5
LINE_OF = """
from hypervisors.models import Hypervisor
Hypervisor.objects.update(address={address!r})
"""


@dataclass(frozen=True)
class Place:
    """An Eve whose way to its agent, and whose display, are the test's."""

    estate: Estate
    line: Line
    display: Display

    def opened(self) -> str:
        """The id of the newest session."""
        return self.estate.session_open(OLIVIA)

    def ended(self, session: str) -> dict[str, Any]:
        """Its record, which is closed soon."""
        return self.estate.session_ended(OLIVIA, session, seconds=NOTICED_SECONDS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    display = Display()
    with house(tmp_path_factory.mktemp("cuts"), fake_console=display.address) as home:
        line = Line(home.agent_port)
        home.shell(LINE_OF.format(address=line.address.removeprefix("tcp:")))
        yield Place(populate(home), line, display)
        line.close()
    display.close()


def test_a_viewer_that_resets_in_the_middle_of_a_frame(place: Place) -> None:
    estate, vm_id = place.estate, place.estate.vms[0]
    held = None
    for _ in range(CUTS):
        url = estate.socket_url(vm_id, f"ticket={estate.ticket(OLIVIA, vm_id)}")
        viewer = RawViewer(Address.of(url))
        viewer.greet()
        held = held or holdings(estate.home)
        session = place.opened()
        viewer.socket.sendall(masked_frame(key_event("a") * 100)[:-5])
        viewer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_WHEN_CLOSED)
        viewer.close()
        assert place.ended(session)["close_code"] == CLOSED_WITHOUT_A_WORD
    assert held is not None
    wait_given_back(estate.home, held)
    assert place.display.viewers == 0


@pytest.mark.parametrize(
    ("cut", "code"),
    [
        (lambda place: place.line.break_off(), CloseCode.HOST_AWAY),
        (lambda place: place.display.hang_up(with_reset=True), CloseCode.DISPLAY_LOST),
    ],
    ids=["the agent's side", "the display's side"],
)
def test_a_reset_behind_eve(place: Place, cut: Callable[[Place], None], code: CloseCode) -> None:
    """While the guest repaints; a frame that was under way is filled with zeros."""
    estate = place.estate
    held, seen = None, b""
    for _ in range(CUTS):
        place.estate.home.manage("hypervisor_wait", "hv1", "--seconds", "30")
        viewer = estate.watch(OLIVIA, estate.vms[0])
        held = held or holdings(estate.home)
        session = place.opened()
        place.display.is_flooding.set()
        viewer.press()
        time.sleep(0.2)
        cut(place)
        said, ended = last_words(viewer)
        place.display.is_flooding.clear()
        seen += said
        assert ended == code
        assert place.ended(session)["close_code"] == code
    assert held is not None
    wait_given_back(estate.home, held)
    if code is CloseCode.HOST_AWAY:
        assert b"\0" in seen, "none of them was cut inside a frame"


def test_an_agent_that_is_killed_in_the_middle_of_a_frame(place: Place) -> None:
    estate, home = place.estate, place.estate.home
    seen = b""
    for _ in range(3):
        viewer = estate.watch(OLIVIA, estate.vms[0])
        session = place.opened()
        place.display.is_flooding.set()
        viewer.press()
        time.sleep(0.5)
        home.stop_agent(signal.SIGKILL)
        said, code = last_words(viewer)
        place.display.is_flooding.clear()
        seen += said
        assert code == CloseCode.HOST_AWAY
        assert place.ended(session)["close_code"] == CloseCode.HOST_AWAY
        page = estate.browser(OLIVIA).get(f"{home.url}/api/v1/consoles/{session}", timeout=10).json()
        assert page["close_code"] == CloseCode.HOST_AWAY
        home.start_agent()
        home.wait_until(lambda: listens(home.agent_port), "the agent, of which Eve may not know yet that it was away")
    assert b"\0" in seen, "none of them was cut inside a frame"


def listens(port: int) -> bool:
    """Whether somebody does, on loopback."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def last_words(viewer: Viewer) -> tuple[bytes, int]:
    """The end of what the viewer was shown, and the close code, of a stream that is well-formed to its end."""
    shown = b""
    try:
        while True:
            piece = viewer.socket.recv(timeout=20)
            assert isinstance(piece, bytes)
            shown = (shown + piece)[-(1 << 18) :]
    except ConnectionClosed as closed:
        return shown, closed.rcvd.code if closed.rcvd else CLOSED_WITHOUT_A_WORD
