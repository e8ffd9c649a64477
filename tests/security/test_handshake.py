"""The real servers: that they hand headers on as the console's handshake takes them, and swallow no flood."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from .conftest import OLIVIA, Estate, resident_bytes
from .rfb import Viewer

MIB = 2**20
FLOOD_BYTES = 64 * MIB
ORIGINS = ("none", "good", "null", "evil", "other port", "other scheme", "good twice", "good and evil", "evil and good")
OPENS = {"cookie": (), "bearer": ("none", "good"), "page ticket": ("good",), "token ticket": ("none", "good")}


@pytest.fixture(params=["uvicorn", "daphne"])
def port(request: pytest.FixtureRequest, estate: Estate) -> int:
    """Of each of the two servers."""
    return estate.home.port if request.param == "uvicorn" else int(request.getfixturevalue("daphne").port)


@pytest.mark.parametrize("credential", OPENS)
def test_every_credential_with_every_origin(estate: Estate, port: int, credential: str) -> None:
    good = estate.home.url
    origins = {
        "none": [],
        "good": [good],
        "null": ["null"],
        "evil": ["https://evil.example"],
        "other port": [f"http://127.0.0.1:{port + 1}"],
        "other scheme": [good.replace("http:", "https:")],
        "good twice": [good, good],
        "good and evil": [good, "https://evil.example"],
        "evil and good": ["https://evil.example", good],
    }
    assert tuple(origins) == ORIGINS
    vm_id = estate.vms[0]
    browser = estate.browser(OLIVIA)
    opened, statuses = [], set[int]()
    for name, values in origins.items():
        headers = [("Origin", value) for value in values]
        query = ""
        if credential in ("cookie", "page ticket"):
            headers.append(("Cookie", browser.cookie_header))
        if credential == "bearer":
            headers.append(("Authorization", f"Bearer {estate.token(OLIVIA)}"))
        if credential == "page ticket":
            query = f"ticket={browser.ticket(vm_id)}"
        if credential == "token ticket":
            query = f"ticket={estate.ticket(OLIVIA, vm_id)}"
        try:
            viewer = Viewer(estate.socket_url(vm_id, query, port=port), additional_headers=headers)
        except InvalidStatus as refusal:
            statuses.add(refusal.response.status_code)
            continue
        assert viewer.greet().rings()
        viewer.close()
        opened.append(name)
    assert tuple(opened) == OPENS[credential]
    assert statuses <= {400, 403}


BAD_HEADERS = {
    "vertical tab before the length": b"Content-Length: \x0b5",
    "vertical tab before the encoding": b"Transfer-Encoding: \x0bchunked",
    "vertical tab in a name": b"X-A\x0b: b",
    "NUL": b"X-A: a\x00b",
    "bare carriage return": b"X-A: a\rX-B: b",
    "two lengths": b"Content-Length: 1\r\nContent-Length: 2",
    "length and encoding": b"Content-Length: 3\r\nTransfer-Encoding: chunked",
    "signed length": b"Content-Length: +3",
}


@pytest.mark.parametrize("what", BAD_HEADERS)
@pytest.mark.parametrize("is_websocket", [False, True], ids=["http", "websocket"])
def test_headers_that_two_servers_might_read_differently(
    estate: Estate, port: int, what: str, is_websocket: bool
) -> None:
    upgrade = (
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    path = f"/ws/vms/{estate.vms[0]}/console" if is_websocket else "/api/v1/login"
    request = (
        b"%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % (b"GET" if is_websocket else b"POST", path.encode(), port)
        + (upgrade if is_websocket else b"Content-Type: application/json\r\n")
        + BAD_HEADERS[what]
        + b"\r\n\r\n"
    )
    assert status_of(port, request + smuggled(port)) in ([400], [])


@pytest.mark.parametrize("header", [b"X-A: \x0bb", b"X-A: a\x1fb", b"Cookie: \x0ba=b"])
def test_control_bytes_in_any_header_are_refused(estate: Estate, header: bytes) -> None:
    """By the server that Eve is served with; daphne refuses them where a request's length depends on it (above)."""
    for start in (b"GET /healthz", b"GET /ws/vms/%s/console" % estate.vms[0].encode()):
        request = b"%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n\r\n" % (start, estate.home.port, header)
        assert status_of(estate.home.port, request) == [400]


LONG_HEADS = {
    "many lines": (b"", b"".join(b"X-%d: a\r\n" % number for number in range(200))),
    "a long address": (b"?x=" + b"a" * 9000, b""),
    "a long line": (b"", b"X: " + b"a" * 9000 + b"\r\n"),
}


@pytest.mark.parametrize("what", LONG_HEADS)
def test_a_handshake_that_is_too_long_for_a_websocket_is_answered(estate: Estate, what: str) -> None:
    """Though it is short enough for a request."""
    query, lines = LONG_HEADS[what]
    request = (
        b"GET /ws/vms/%s/console%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"
        % (estate.vms[0].encode(), query, estate.home.port, lines)
    )
    assert status_of(estate.home.port, request) == [400]


def test_a_request_is_never_two(estate: Estate, port: int) -> None:
    """The probe of the test above: without a bad header, both requests are answered, so that one is seen to be missing."""
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port
    assert status_of(port, request + smuggled(port)) == [200, 200]


@pytest.mark.parametrize("path", ["/api/v1/login", "/api/v1/enrol", "/api/v1/me", "/login/"])
def test_a_long_body_is_refused_unread(estate: Estate, path: str) -> None:
    before = resident_bytes(estate.home.eve)
    token = estate.token(OLIVIA)
    peak = Peak(estate)
    head = (
        f"{'PATCH' if path.endswith('/me') else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1:{estate.home.port}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    )
    for framing in (f"Content-Length: {FLOOD_BYTES}", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", estate.home.port), timeout=20) as sock:
            sock.sendall(f"{head}{framing}\r\n\r\n".encode())
            block = b"x" * 65536
            chunk = b"10000\r\n" + block + b"\r\n" if "chunked" in framing else block
            with contextlib.suppress(OSError):
                for _ in range(FLOOD_BYTES // len(block)):
                    sock.sendall(chunk)
                sock.sendall(b"0\r\n\r\n" if "chunked" in framing else b"")
            answer = b""
            with contextlib.suppress(OSError):
                answer = sock.recv(65536)
        assert answer[9:12] in (b"413", b""), answer[:500]
    assert peak.stop() - before < 20 * MIB


def test_a_body_that_lies_about_its_type_is_refused_too(estate: Estate) -> None:
    """Django's own limit, which does not hold for what is uploaded as a file."""
    before = resident_bytes(estate.home.eve)
    peak = Peak(estate)
    answer = None
    with contextlib.suppress(requests.ConnectionError):
        answer = requests.post(
            f"{estate.home.url}/login/", files={"email": ("a", b"x" * FLOOD_BYTES)}, timeout=30, allow_redirects=False
        )
    assert answer is None or answer.status_code == 413
    assert peak.stop() - before < 20 * MIB


def test_a_huge_frame_ends_the_console(estate: Estate) -> None:
    vm_id = estate.vms[0]
    before = resident_bytes(estate.home.eve)
    peak = Peak(estate)
    for length in (FLOOD_BYTES, 2**62):
        url = estate.socket_url(vm_id, f"ticket={estate.ticket(OLIVIA, vm_id)}")
        with connect(url, compression=None, proxy=None) as viewer:
            viewer.recv(timeout=5)
            sock = viewer.socket
            sock.settimeout(20)
            with contextlib.suppress(OSError):
                sock.sendall(b"\x82\xff" + length.to_bytes(8, "big") + os.urandom(4))
                block = bytes(65536)
                for _ in range(FLOOD_BYTES // len(block)):
                    sock.sendall(block)
            with pytest.raises(Exception, match=r"1009|no close frame"):
                viewer.recv(timeout=10)
    assert peak.stop() - before < 20 * MIB
    assert estate.watch(OLIVIA, vm_id).rings()


def smuggled(port: int) -> bytes:
    """A second request that hides behind the first."""
    return b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port


def status_of(port: int, request: bytes) -> list[int]:
    """The status of each answer; none where the connection was just ended."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(request)
        answer = b""
        with contextlib.suppress(OSError):
            while piece := sock.recv(65536):
                answer += piece
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


class Peak:
    """The most memory that Eve had while this was running."""

    def __init__(self, estate: Estate) -> None:
        self._process = estate.home.eve
        self._most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """In bytes."""
        self._over.set()
        self._thread.join()
        return self._most

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, resident_bytes(self._process))
