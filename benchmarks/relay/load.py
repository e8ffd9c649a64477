"""Load beside what is measured, in a process of its own: viewers that take all they can get, or a visitor of pages.

``python -m benchmarks.relay.load`` reads one line of JSON, says ``ready``, goes on until its standard input closes, and prints one line of
JSON: what it did.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from .client import Address, close_all, open_viewers
from .processes import ROOT, stop


@dataclass
class Load:
    """A load that is on; :attr:`report` is there once it has ended."""

    report: dict[str, Any] = field(default_factory=dict)


@contextmanager
def draining(address: Address, viewers: int) -> Iterator[Load]:
    """That many viewers whose console never stops sending."""
    with _load({"address": asdict(address), "viewers": viewers}) as load:
        yield load


@contextmanager
def visiting(address: Address, cookie: str, paths: list[str], per_second: float) -> Iterator[Load]:
    """Requests of pages in turn, `per_second` whether or not the last is answered in time; reports ``pages``, ``per_second``, ``median_ms``."""
    wish = {"address": asdict(address), "cookie": cookie, "paths": paths, "per_second": per_second}
    with _load(wish) as load:
        yield load


@contextmanager
def _load(wish: dict[str, Any]) -> Iterator[Load]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.relay.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the benchmark, which ends its helpers
    )
    assert process.stdin is not None
    assert process.stdout is not None
    load = Load()
    try:
        process.stdin.write(json.dumps(wish).encode() + b"\n")
        process.stdin.flush()
        if process.stdout.readline() != b"ready\n":
            raise SystemExit("the load beside the measurement did not start")
        yield load
        process.stdin.close()
        load.report.update(json.loads(process.stdout.readline() or b"{}"))
    finally:
        stop(process)


def _drain(wish: dict[str, Any]) -> dict[str, Any]:
    viewers = open_viewers(_address(wish), wish["viewers"])
    try:
        for viewer in viewers:
            viewer.command("B", 0)
        with selectors.DefaultSelector() as selector:
            selector.register(sys.stdin, selectors.EVENT_READ)
            for viewer in viewers:
                selector.register(viewer, selectors.EVENT_READ, viewer)
            _say_ready()
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        return {"mebibytes": sum(viewer.received_bytes for viewer in viewers) / 2**20}
                    key.data.receive()
    finally:
        close_all(viewers)


def _visit(wish: dict[str, Any]) -> dict[str, Any]:
    """As one browser: one connection, requests at a fixed pace."""
    address = _address(wish)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=30)
    millis: list[float] = []
    with selectors.DefaultSelector() as selector, contextlib.closing(connection):
        selector.register(sys.stdin, selectors.EVENT_READ)
        _get(connection, wish["paths"][0], wish["cookie"])
        _say_ready()
        started = due = time.perf_counter()
        while not selector.select(max(0.0, due - time.perf_counter())):
            due += 1 / wish["per_second"]
            asked = time.perf_counter()
            _get(connection, wish["paths"][len(millis) % len(wish["paths"])], wish["cookie"])
            millis.append((time.perf_counter() - asked) * 1e3)
        seconds = time.perf_counter() - started
    millis.sort()
    return {
        "pages": len(millis),
        "per_second": len(millis) / seconds,
        "median_ms": millis[len(millis) // 2] if millis else 0.0,
    }


def _get(connection: http.client.HTTPConnection, path: str, cookie: str) -> None:
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"GET {path}: {answer.status}")


def _address(wish: dict[str, Any]) -> Address:
    fields = wish["address"]
    return Address(fields["host"], fields["port"], fields["path"], tuple(fields["headers"]))


def _say_ready() -> None:
    print("ready", flush=True)


def main() -> None:
    """The command line."""
    wish = json.loads(sys.stdin.readline())
    done = _visit(wish) if "paths" in wish else _drain(wish)
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
