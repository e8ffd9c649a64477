"""Peers that are gone without a word, with every packet lost: noticed within 45 s, on either leg of a console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eve_agent.wire.close import CloseCode
from websockets.exceptions import ConnectionClosed

from tests.e2e.house import house
from tests.services.far import Far
from tests.services.line import Line

from .conftest import OLIVIA, Estate, populate
from .rfb import Display, Viewer

NOTICED_SECONDS = 45


@pytest.fixture
def far() -> Iterator[Far]:
    place = Far()
    yield place
    place.close()


def test_a_viewer_that_is_gone(tmp_path: Path, display: Display, far: Far) -> None:
    with house(tmp_path, fake_console=display.address, settings={"EVE_BIND": "0.0.0.0"}) as home:
        estate = populate(home)
        viewer = Viewer(_url(estate), sock=far.connect(home.port)).greet()
        viewer.press()
        opened = estate.session_open(OLIVIA)
        far.cut()
        session = estate.session_ended(OLIVIA, opened, seconds=NOTICED_SECONDS)
        assert session["close_code"] == CloseCode.STALLED, session
        assert display.viewers == 0


def test_a_host_that_is_gone(tmp_path: Path, display: Display, far: Far) -> None:
    with house(tmp_path, fake_console=display.address) as home:
        line = Line(home.agent_port, far.listener())
        home.shell(
            "from hypervisors.models import Hypervisor\n"
            f"Hypervisor.objects.update(address={line.address.removeprefix('tcp:')!r})"
        )
        estate = populate(home)
        viewer = Viewer(_url(estate), ping_interval=None).greet()  # browsers do not ask either
        far.cut()
        with pytest.raises(ConnectionClosed) as closed:
            viewer.socket.recv(timeout=NOTICED_SECONDS)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.HOST_AWAY
        line.close()


def _url(estate: Estate) -> str:
    return estate.socket_url(estate.vms[0], f"ticket={estate.ticket(OLIVIA, estate.vms[0])}")
