"""A throw-away Caddy before an Eve."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

from .nginx import write_certificate

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "caddy" / "Caddyfile"
_START_SECONDS = 30


class Caddy:
    """Caddy on `port` of loopback, with its files in `folder`."""

    def __init__(self, folder: Path, *, port: int) -> None:
        self.folder, self.port = folder, port
        self.log = folder / "caddy.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, caddyfile: str) -> None:
        """Starts it with that configuration, in place of one that runs; returns once it listens."""
        self.close()
        configuration = self.folder / "Caddyfile"
        configuration.write_text(caddyfile)
        homes = {name: str(self.folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["caddy", "run", "--adapter", "caddyfile", "--config", str(configuration)],
                env=homes | {"PATH": "/usr/bin"},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def close(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def shipped_caddyfile(folder: Path, *, upstream: int, port: int, plain_port: int) -> str:
    """The shipped example with ports and certificate (``fullchain.pem``, which is made) of a test."""
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    write_certificate(certificate, key)
    shipped = SHIPPED.read_text()
    replaced = {
        "{\n\t# What failed": f"{{\n\tadmin off\n\thttp_port {plain_port}\n\t# What failed",
        "eve.example.org {": f"https://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
    }
    for old, new in replaced.items():
        assert old in shipped, f"{old} is not in the shipped example any more"
        shipped = shipped.replace(old, new)
    return shipped
