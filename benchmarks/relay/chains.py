"""What stands between client and stub console: Eve with its agent, and the peers that it is measured against.

========== ==========================================================================================================
eve        the shipped server and agent; authenticates, authorises, audits, meters, filters RFB; the stub by TCP
nginx      two hops with mutual TLS 1.3 between them, one worker each; the stub by websocket
go         two ``httputil.ReverseProxy`` hops with mutual TLS 1.3 between them; the stub by websocket
websockify one hop without TLS, a process a console: shown for comparison, no peer to be judged by; the stub by TCP
========== ==========================================================================================================
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.e2e.house import free_port

from .client import Address
from .processes import StubPorts, running

EVE = "eve"
PEERS = ("nginx", "websockify", "go")
JUDGES = ("nginx", "go")
"""The chains that do what Eve's does on the wire; the better of them is what Eve's figures are divided by."""
START_SECONDS = 20.0
BUILD_SECONDS = 180
MAX_CONNECTIONS = 4096
HOP_NAME = "hop.test"
"""nginx compares names only, no addresses."""

_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log stderr error;
{user}
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port}{listen_options};
        {server_options}
        location / {{
            proxy_pass {upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
            proxy_buffer_size {buffer};
            proxy_buffers 8 {buffer};
            proxy_busy_buffers_size {buffer};
            {proxy_options}
        }}
    }}
}}
"""
_NGINX_BUFFER = "16k"
"""What an upgraded connection is copied through; a TLS record holds as much. The default, 4k, costs nginx more CPU."""


class NotInstalled(Exception):
    """A peer cannot be measured here; the text says why."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A running chain."""

    name: str
    address: Address
    pids: list[int]
    """The relay's processes, without those that they start."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Files of one authority and the one certificate that both hops show."""

    authority: Path
    pair: Path

    @classmethod
    def make(cls, folder: Path) -> Trust:
        """A fresh one in `folder`; ECDSA P-256, as Eve's."""
        authority = trustme.CA()
        trust = cls(folder / "ca.pem", folder / "pair.pem")
        authority.cert_pem.write_to_path(trust.authority)
        authority.issue_cert("127.0.0.1", HOP_NAME).private_key_and_cert_chain_pem.write_to_path(trust.pair)
        return trust


@contextmanager
def nginx_chain(stub: StubPorts) -> Iterator[Chain]:
    """Two nginx. Raises NotInstalled."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise NotInstalled("nginx is not installed: left out (Debian: apt-get install nginx-light)")
    with tempfile.TemporaryDirectory(prefix="eve-bench-nginx-") as name, ExitStack() as stack:
        folder = Path(name)
        trust = Trust.make(folder)
        first, second = free_port(), free_port()
        common = {
            "folder": folder,
            "user": "user root;" if os.geteuid() == 0 else "",
            "connections": MAX_CONNECTIONS,
            "buffer": _NGINX_BUFFER,
        }
        second_conf = _NGINX.format(
            name="second",
            port=second,
            listen_options=" ssl",
            server_options=(
                f"ssl_certificate {trust.pair}; ssl_certificate_key {trust.pair}; ssl_protocols TLSv1.3; "
                f"ssl_client_certificate {trust.authority}; ssl_verify_client on;"
            ),
            upstream=f"http://127.0.0.1:{stub.websocket}",
            proxy_options="",
            **common,
        )
        first_conf = _NGINX.format(
            name="first",
            port=first,
            listen_options="",
            server_options="",
            upstream=f"https://127.0.0.1:{second}",
            proxy_options=(
                f"proxy_ssl_certificate {trust.pair}; proxy_ssl_certificate_key {trust.pair}; proxy_ssl_protocols TLSv1.3; "
                f"proxy_ssl_trusted_certificate {trust.authority}; proxy_ssl_verify on; proxy_ssl_name {HOP_NAME};"
            ),
            **common,
        )
        pids = []
        for hop, port, conf in (("second", second, second_conf), ("first", first, first_conf)):
            path = folder / f"{hop}.conf"
            path.write_text(conf)
            pids.append(_start(stack, [program, "-c", str(path), "-p", name], port, folder / f"{hop}.log"))
        yield Chain("nginx", Address("127.0.0.1", first, "/"), pids)


@contextmanager
def go_chain(stub: StubPorts) -> Iterator[Chain]:
    """Two reverse proxies of Go's standard library. Raises NotInstalled."""
    program = shutil.which("go")
    if program is None:
        raise NotInstalled("go is not installed: left out (Debian: apt-get install golang-go)")
    source = Path(__file__).with_name("reverse_proxy.go")
    with tempfile.TemporaryDirectory(prefix="eve-bench-go-") as name, ExitStack() as stack:
        folder = Path(name)
        proxy = folder / "reverse_proxy"
        try:
            subprocess.run(
                [program, "build", "-o", str(proxy), str(source)],
                env={**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0"},
                check=True,
                timeout=BUILD_SECONDS,
                capture_output=True,
                text=True,
            )
        except subprocess.CalledProcessError as error:
            raise NotInstalled(f"go does not build {source.name}: left out ({error.stderr.strip()})") from error
        trust = Trust.make(folder)
        first, second = free_port(), free_port()
        options = ["-ca", str(trust.authority), "-cert", str(trust.pair)]
        hops = (
            (second, ["-tls", "-upstream", f"http://127.0.0.1:{stub.websocket}"]),
            (first, ["-upstream", f"https://127.0.0.1:{second}"]),
        )
        pids = [
            _start(stack, [str(proxy), "-listen", f"127.0.0.1:{port}", *options, *more], port, folder / f"{port}.log")
            for port, more in hops
        ]
        yield Chain("go", Address("127.0.0.1", first, "/"), pids)


@contextmanager
def websockify_chain(stub: StubPorts) -> Iterator[Chain]:
    """One websockify. Raises NotInstalled."""
    beside = Path(sys.executable).with_name("websockify")
    program = str(beside) if beside.exists() else shutil.which("websockify")
    if program is None:
        raise NotInstalled("websockify is not installed: left out (pip install websockify)")
    with tempfile.TemporaryDirectory(prefix="eve-bench-websockify-") as name, ExitStack() as stack:
        port = free_port()
        command = [program, f"127.0.0.1:{port}", f"127.0.0.1:{stub.tcp}"]
        pid = _start(stack, command, port, Path(name) / "log")
        yield Chain("websockify", Address("127.0.0.1", port, "/", ("Sec-WebSocket-Protocol: binary",)), [pid])


MAKERS: dict[str, Callable[[StubPorts], AbstractContextManager[Chain]]] = {
    "nginx": nginx_chain,
    "websockify": websockify_chain,
    "go": go_chain,
}


def _start(stack: ExitStack, command: Sequence[str], port: int, log: Path) -> int:
    """Starts one hop, and waits until it listens."""
    process = stack.enter_context(running(command, log=log))
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process.pid
    raise NotInstalled(f"{Path(command[0]).name} does not start: left out ({log.read_text().strip()[-400:]})")
