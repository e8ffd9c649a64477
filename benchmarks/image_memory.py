"""Images of some GiB on their way to a real pool, sent in pieces and fetched from an address: how much memory Eve and the agent take for it.

    .venv/bin/python -m benchmarks.image_memory --gib 2

Real libvirt in a sandbox of its own (as for the tests: root), and room for the image in its pool (`/var/tmp`). Their resident sets are
looked at every 0.1 s, from the first byte to a finished image: written, hashed and looked at by qemu-img. A smaller image comes first by
each way, so that what is told is what length costs. The aim is 16 MiB.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from common.pieces import PIECE_BYTES
from tests.e2e.house import House, house
from tests.services.libvirt import libvirt_sandbox

MIB, GIB = 2**20, 2**30
FIRST_BYTES = 64 * MIB
LOOK_SECONDS = 0.1
READY_SECONDS = 900


class Zeros(BaseHTTPRequestHandler):
    """A file as long as its path says, of zeros."""

    piece: ClassVar[bytes] = bytes(MIB)

    def do_GET(self) -> None:
        """All of it."""
        size = int(self.path.removeprefix("/"))
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for start in range(0, size, MIB):
            self.wfile.write(self.piece[: size - start])

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""


@contextmanager
def zeros() -> Iterator[str]:
    """Its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Zeros) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Residents:
    """How much of Eve and of the agent is resident, while it is looked at."""

    def __init__(self, home: House) -> None:
        assert home.eve is not None
        assert home.agent is not None
        self.pids = {"Eve": home.eve.pid, "agent": home.agent.pid}

    def now(self) -> dict[str, int]:
        """In bytes."""
        return {name: resident_bytes(pid) for name, pid in self.pids.items()}

    @contextmanager
    def looked_at(self) -> Iterator[dict[str, int]]:
        """By how much they grew at most meanwhile; there once it is over."""
        before, grown = self.now(), dict.fromkeys(self.pids, 0)
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(LOOK_SECONDS):
                for name, size in self.now().items():
                    grown[name] = max(grown[name], size - before[name])

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield grown
        finally:
            ended.set()
            thread.join()


def resident_bytes(pid: int) -> int:
    """Of one process (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def send(home: House, token: str, size: int) -> str:
    """An image of so many zeros, in pieces. Returns its id once it is ready."""
    path = f"/images/{announce(home, token, size_bytes=size)}"
    for start in range(0, size, PIECE_BYTES):
        data = bytes(min(PIECE_BYTES, size - start))
        answer = home.api("PUT", f"{path}/data?offset={start}", token=token, data=data)
        if answer.status_code != 200:
            raise SystemExit(answer.text)
    home.api("POST", f"{path}/data", token=token)
    return ready(home, token, path)


def fetch(home: House, token: str, size: int, files: str) -> str:
    """The same from an address."""
    return ready(home, token, f"/images/{announce(home, token, url=f'{files}/{size}')}")


def announce(home: House, token: str, **fields: Any) -> str:
    """Its id."""
    site = home.api("GET", "/sites", token=token).json()["results"][0]["id"]
    wanted = {"name": "long", "kind": "iso", "format": "raw", "site": site, **fields}
    answer = home.api("POST", "/images", token=token, json=wanted)
    if answer.status_code not in (201, 202):
        raise SystemExit(answer.text)
    return str(answer.json()["image"]["id"])


def ready(home: House, token: str, path: str) -> str:
    """Waits until it is, and deletes it."""
    deadline = time.monotonic() + READY_SECONDS
    while (image := home.api("GET", path, token=token).json())["state"] != "ready":
        if image["state"] == "failed" or time.monotonic() > deadline:
            raise SystemExit(f"{image['state']}: {image}")
        time.sleep(LOOK_SECONDS)
    home.over(home.api("DELETE", path, token=token).json()["operation"], token=token, seconds=READY_SECONDS)
    return path


def measure(residents: Residents, way: Callable[[int], Any], size: int) -> tuple[float, dict[str, int]]:
    """Seconds, and by how much they grew."""
    way(FIRST_BYTES)
    began = time.monotonic()
    with residents.looked_at() as grown:
        way(size)
    return time.monotonic() - began, grown


def main() -> None:
    """Prints both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2, help="how long the image is (%(default)s)")
    size = int(parser.parse_args().gib * GIB)
    with tempfile.TemporaryDirectory() as folder, zeros() as files, libvirt_sandbox() as sandbox:
        settings = {"EVE_IMAGE_ALLOW_PRIVATE": "true"}
        with house(Path(folder), libvirt_uri=sandbox.uri, settings=settings) as home:
            token, residents = home.token(), Residents(home)
            ways: dict[str, Callable[[int], Any]] = {
                "sent": lambda length: send(home, token, length),
                "fetched": lambda length: fetch(home, token, length, files),
            }
            for name, way in ways.items():
                seconds, grown = measure(residents, way, size)
                growth = ", ".join(f"{who} +{most / MIB:.1f} MiB" for who, most in grown.items())
                print(f"{name:<8} {size / GIB:g} GiB in {seconds:.0f} s: {growth}", flush=True)


if __name__ == "__main__":
    main()
