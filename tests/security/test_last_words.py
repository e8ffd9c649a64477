"""Viewers that take nothing: why their console ended is known all the same, and little is held for them."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from eve_agent.wire.close import CloseCode
from websockets.exceptions import ConnectionClosed

from tests.e2e.house import house

from .conftest import OLIVIA, Daphne, Estate, populate, resident_bytes
from .rfb import Display, Viewer

IDLE_SECONDS = 3
MIB = 1024 * 1024


def test_a_viewer_that_is_full_learns_the_true_reason(tmp_path: Path) -> None:
    """Its console goes idle while megabytes wait for it. Long before it would count as stalled, Eve knows why it ended."""
    display = Display()
    settings = {"EVE_CONSOLE_IDLE_SECONDS": str(IDLE_SECONDS)}
    with house(tmp_path, fake_console=display.address, settings=settings) as home:
        estate = populate(home)
        viewer = estate.watch(OLIVIA, estate.vms[0])
        opened = estate.session_open(OLIVIA)
        display.is_flooding.set()
        viewer.press()  # and nobody reads what comes
        session = estate.session_ended(OLIVIA, opened, seconds=25)
        assert session["close_code"] == CloseCode.IDLE_LIMIT, session
    display.close()


def test_talking_is_not_reading(estate: Estate, daphne: Daphne, display: Display) -> None:
    """Where the server takes all it is given, a viewer that presses keys and takes nothing is ended before 8 MiB are held for it."""
    vm_id, token = estate.vms[0], estate.token(OLIVIA)
    url = estate.socket_url(vm_id, f"ticket={estate.ticket(OLIVIA, vm_id)}", port=daphne.port)
    viewer = Viewer(url, ping_interval=None).greet()
    opened = estate.home.api("GET", f"/consoles?vm={vm_id}", token=token).json()["results"][0]["session"]
    before = most = resident_bytes(daphne.process)
    display.is_flooding.set()
    until = time.monotonic() + 40
    while (session := estate.home.api("GET", f"/consoles/{opened}", token=token).json())["ended_at"] is None:
        assert time.monotonic() < until, session
        with contextlib.suppress(ConnectionClosed):
            viewer.press()
        most = max(most, resident_bytes(daphne.process))
        assert most - before < 64 * MIB
    display.is_flooding.clear()
    assert session["close_code"] == CloseCode.TOO_SLOW, session
    assert most - before < 24 * MIB
