"""What a viewer writes after its handshake goes to the agent's console and nowhere else, whatever it looks like."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from pathlib import Path

import pytest
from eve_agent.wire import paths
from eve_agent.wire.close import CloseCode
from websockets.exceptions import ConnectionClosed

from tests.e2e.house import house

from .conftest import OLIVIA, Estate, populate
from .rfb import Display, Viewer


def stop_request(estate: Estate, vm_id: str) -> bytes:
    """What Eve itself would send to the agent to stop a VM."""
    body = b'{"action":"stop"}'
    path = paths.DOMAIN_STATE.format(uuid=vm_id)
    return (
        f"PATCH {path} HTTP/1.1\r\nHost: agent\r\nEve-Contract: 1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def runs(estate: Estate, vm_id: str) -> bool:
    """Whether the VM is running, as the agent says now."""
    time.sleep(0.3)
    return estate.home.vm_state(vm_id, estate.token(OLIVIA)) == "running"


def test_http_written_into_a_console_does_nothing(estate: Estate) -> None:
    vm_id = estate.vms[0]
    with_frame = b"\x82\xfe\x00\xa0" + bytes(4)
    for before in (b"", with_frame, b"\r\n\r\n", b"0\r\n\r\n"):
        viewer = estate.watch(OLIVIA, vm_id)
        raw = viewer.socket.socket
        raw.sendall(before + stop_request(estate, vm_id) * 2)
        code, _seconds = viewer.end(seconds=10)
        assert code in (CloseCode.PROTOCOL_ERROR, CloseCode.UNSUPPORTED_DATA, CloseCode.BAD_MESSAGE)
        assert runs(estate, vm_id)
    assert estate.watch(OLIVIA, vm_id).rings()


def test_http_behind_a_refused_handshake_does_nothing(estate: Estate) -> None:
    vm_id = estate.vms[0]
    handshake = (
        f"GET /ws/vms/{vm_id}/console?ticket=none HTTP/1.1\r\nHost: 127.0.0.1:{estate.home.port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", estate.home.port), timeout=10) as sock:
        sock.sendall(handshake + stop_request(estate, vm_id))
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                answer += piece
    assert answer == b"" or answer.startswith(b"HTTP/1.1 403 ")
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert runs(estate, vm_id)


@pytest.mark.parametrize("pause", [0, 0.002])
def test_who_speaks_before_the_handshake_is_answered_is_cut(estate: Estate, pause: float) -> None:
    vm_id = estate.vms[0]
    request = (
        f"GET /ws/vms/{vm_id}/console?ticket={estate.ticket(OLIVIA, vm_id)} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{estate.home.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()
    log = estate.home.log_dir / "eve.log"
    before = len(log.read_text())
    with socket.create_connection(("127.0.0.1", estate.home.port), timeout=10) as sock:
        sock.sendall(request + (b"" if pause else b"GET / HTTP/1.1\r\n"))
        if pause:
            time.sleep(pause)
            sock.sendall(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(65536):
                pass
    time.sleep(0.2)
    assert "Traceback" not in log.read_text()[before:]


def test_a_viewer_that_leaves_is_not_kept_waiting(estate: Estate) -> None:
    viewer = estate.watch(OLIVIA, estate.vms[0])
    begun = time.monotonic()
    viewer.close()
    assert time.monotonic() - begun < 1


def test_a_viewer_that_half_closes_or_resets_leaves_nothing_behind(estate: Estate, display: Display) -> None:
    for how in (lambda sock: sock.shutdown(socket.SHUT_WR), lambda sock: sock.close()):
        viewer = estate.watch(OLIVIA, estate.vms[0])
        before = display.viewers
        how(viewer.socket.socket)
        until = time.monotonic() + 5
        while display.viewers >= before and time.monotonic() < until:
            time.sleep(0.05)
        assert display.viewers < before


def test_a_server_that_stops_says_so(tmp_path: Path, display: Display) -> None:
    with house(tmp_path, fake_console=display.address) as home:
        estate = populate(home)
        viewers: list[Viewer] = [estate.watch(OLIVIA, vm_id) for vm_id in estate.vms[:2]]
        assert home.eve is not None
        home.eve.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        for viewer in viewers:
            with pytest.raises(ConnectionClosed) as closed:
                viewer.socket.recv(timeout=5)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == CloseCode.SERVICE_RESTART
        home.eve.wait(10)
        assert time.monotonic() - begun < 8
        home.start_eve()
        ended = home.shell(
            "from consoles.models import ConsoleSession\n"
            "print(list(ConsoleSession.objects.values_list('close_code', flat=True)))"
        )
        assert ended.strip().endswith("[1012, 1012]")
