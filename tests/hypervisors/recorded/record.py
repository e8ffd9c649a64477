"""Records what an agent says over its real TLS port, byte by byte: ``python -m tests.hypervisors.recorded.record OUT PROGRAM… ``.

PROGRAM starts the agent (``python -m eve_agent.cli`` in the agent's environment); it is run with a made-up hypervisor. See README.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from eve_agent.wire import codec, paths
from eve_agent.wire.console import ConsoleMode, ConsoleRequest
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from tests.agent import pki
from tests.security.rfb import Display

SESSION = uuid.UUID("5e55104e-0000-4000-8000-000000000001")
NOBODY = uuid.UUID(int=1)
HANDSHAKE = (b"RFB 003.008\n", b"\x01", b"\x01")
KEY = bytes((4, 1, 0, 0, 0, 0, 0, 97))
Turn = tuple[str, str]


class Host:
    """The agent that is recorded."""

    def __init__(self, folder: Path, program: list[str]) -> None:
        authority = pki.Authority.make()
        eve = authority.client()
        (folder / "keys").mkdir()
        pki.write_identity(folder / "keys" / "current", authority, authority.issue(), (eve.fingerprint,))
        (folder / "agent.toml").write_text(f'key_dir = "{folder}/keys"\n')
        self._context = pki.client_context(folder, authority, eve)
        self._context.check_hostname = False
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port: int = free.getsockname()[1]
        self.display = Display()
        arguments = ["--driver", "fake", "--fake-console", self.display.address, "--listen", f"127.0.0.1:{self._port}"]
        command = [*program, "run", "--config", str(folder / "agent.toml"), *arguments]
        self._process = subprocess.Popen(command, env=os.environ)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    @contextlib.contextmanager
    def connection(self) -> Iterator[ssl.SSLSocket]:
        end = time.monotonic() + 10
        while True:
            try:
                sock = socket.create_connection(("127.0.0.1", self._port), 10)
                break
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        with self._context.wrap_socket(sock) as secured:
            yield secured

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, str]:
        """One request as Eve makes it, and the answer's bytes."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: hv1\r\n{VERSION_HEADER}: {CONTRACT_VERSION}\r\nAccept: */*\r\n"
        if data:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        with self.connection() as sock:
            sock.sendall(head.encode() + b"\r\n" + data)
            answer = b""
            while not _is_whole(answer):
                answer += sock.recv(65536)
        return {"request": f"{method} {path}", "answer": answer.decode("latin-1")}


class Socket:
    """A websocket of the agent's, and who said what on it, in turns."""

    def __init__(self, sock: ssl.SSLSocket, path: str) -> None:
        self._sock = sock
        self._protocol = ClientProtocol(parse_uri(f"wss://hv1{path}"), max_size=None)
        self.turns: list[Turn] = []
        request = self._protocol.connect()
        request.headers[VERSION_HEADER] = str(CONTRACT_VERSION)
        self._protocol.send_request(request)
        self._flush()

    def send(self, data: bytes) -> None:
        self._protocol.send_binary(data)
        self._flush(data)

    def receive(self, seconds: float = 0.5) -> None:
        """All that comes until nothing does for a while."""
        self._sock.settimeout(seconds)
        heard = b""
        with contextlib.suppress(TimeoutError):
            while piece := self._sock.recv(65536):
                heard += piece
        self._protocol.receive_data(heard)
        self.turns.append(("agent", heard.decode("latin-1")))

    def _flush(self, meant: bytes | None = None) -> None:
        """What Eve says is kept as she means it: unmasked, and of the handshake the address alone."""
        data = b"".join(self._protocol.data_to_send())
        self._sock.sendall(data)
        said = data.split(b"\r\n")[0] if meant is None else meant
        self.turns.append(("eve", said.decode("latin-1")))


def main() -> None:
    """See above."""
    out, *program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        host = Host(Path(name), program)
        try:
            record = recorded(host)
        finally:
            host.close()
    Path(out).write_text(json.dumps(record, indent=1, ensure_ascii=True) + "\n")


def recorded(host: Host) -> dict[str, Any]:
    """Everything that is recorded of an agent."""
    domains = json.loads(host.ask("GET", paths.DOMAINS)["answer"].partition("\r\n\r\n")[2])
    runs, is_off = (uuid.UUID(domain["uuid"]) for domain in domains[:2])
    host.ask("PATCH", paths.domain_path(paths.DOMAIN_STATE, is_off), {"action": "stop", "operation_id": "op"})
    console_session = paths.domain_path(paths.DOMAIN_CONSOLE_SESSION, runs, session=SESSION)
    reads = [
        paths.HOST,
        paths.DOMAINS,
        paths.domain_path(paths.DOMAIN, runs),
        paths.domain_path(paths.DOMAIN, NOBODY),
        paths.domain_path(paths.DOMAIN_SCREENSHOT, is_off),
        paths.CERTIFICATE,
        paths.STATS,
        paths.STORAGE,
    ]
    answers = [host.ask("GET", path) for path in reads]
    with host.connection() as sock, _opened(sock, runs) as console:
        for data in (*HANDSHAKE, KEY):
            console.receive()
            console.send(data)
        console.receive()
        answers.append(host.ask("GET", console_session))
        answers.append(host.ask("PATCH", console_session, {"mode": "view"}))
        host.display.hang_up()
        console.receive()
    with host.connection() as sock, _opened(sock, is_off) as refused:
        refused.receive()
    with host.connection() as sock:
        events = Socket(sock, paths.EVENTS)
        events.receive()
        path = paths.domain_path(paths.DOMAIN_STATE, runs)
        answers.append(host.ask("PATCH", path, {"action": "suspend", "operation_id": "op"}))
        events.receive(2)
    return {
        "domain": str(runs),
        "off_domain": str(is_off),
        "session": str(SESSION),
        "answers": answers,
        "console": console.turns,
        "refused_console": refused.turns,
        "events": events.turns,
    }


@contextlib.contextmanager
def _opened(sock: ssl.SSLSocket, domain: uuid.UUID) -> Iterator[Socket]:
    wanted = codec.to_plain(ConsoleRequest(session=SESSION, mode=ConsoleMode.CONTROL))
    yield Socket(sock, f"{paths.domain_path(paths.DOMAIN_CONSOLE, domain)}?{urlencode(wanted)}")


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


if __name__ == "__main__":
    main()
