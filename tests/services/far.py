"""A place that can be cut off: a network namespace at the other end of a virtual cable, which carries nothing once it is cut.

Nobody is told: what was open stays open, unanswered, as when a machine loses its power. Needs root.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

CLONE_NEWNET = 0x40000000
START_SECONDS = 5

T = TypeVar("T")


class Far:
    """Is there from its making on, and goes with the process that made it."""

    def __init__(self) -> None:
        # It ends with its standard input, which the kernel closes however the tests end; the namespace and its cable go with it.
        self._holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        pid = self._holder.pid
        self._namespace = Path(f"/proc/{pid}/ns/net")
        self._wait_for_namespace()
        network = f"198.18.{os.getpid() % 250}.{4 * (pid % 60)}"  # RFC 2544: nobody's
        first, _, last = network.rpartition(".")
        self.near_host, self.host = f"{first}.{int(last) + 1}", f"{first}.{int(last) + 2}"
        self._cable = near = f"near{pid}"
        _run("ip", "link", "add", near, "type", "veth", "peer", "name", "far", "netns", str(pid))
        _run("ip", "address", "add", f"{self.near_host}/30", "dev", near)
        _run("ip", "link", "set", near, "up")
        self._run_inside("ip", "address", "add", f"{self.host}/30", "dev", "far")
        self._run_inside("ip", "link", "set", "far", "up")

    def connect(self, port: int) -> socket.socket:
        """A connection from there to `port` here."""
        return self._inside(lambda: socket.create_connection((self.near_host, port), timeout=10))

    def listener(self) -> socket.socket:
        """A socket that listens there, on :attr:`host`."""
        return self._inside(lambda: socket.create_server((self.host, 0)))

    def cut(self) -> None:
        """From now on nothing goes there, and nothing comes from there."""
        self._run_inside("ip", "link", "set", "far", "down")

    def close(self) -> None:
        """Ends it. The kernel lets go of its connections later, and of the cable too where the tests were killed."""
        _run("ip", "link", "delete", self._cable)
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait()

    def _wait_for_namespace(self) -> None:
        ours, until = Path("/proc/self/ns/net").readlink(), time.monotonic() + START_SECONDS
        while self._namespace.readlink() == ours:
            assert self._holder.poll() is None, "no network namespace: this takes root"
            assert time.monotonic() < until
            time.sleep(0.01)

    def _inside(self, call: Callable[[], T]) -> T:
        """What `call` returns there: in a thread of its own, since only that thread goes. A socket stays where it was made."""

        def there() -> T:
            with self._namespace.open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return call()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(there).result()

    def _run_inside(self, *command: str) -> None:
        _run("nsenter", f"--net={self._namespace}", *command)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
