"""What a viewer has not taken yet, under a server that does not say how much of it waits.

Its kernel knows: of all that was sent on the viewer's connection, how much the viewer's host has acknowledged. The connection is that
socket of this process which has the two addresses of the websocket's scope. It stays the server's: it is borrowed for each look, after a
look at whom it belongs to by now.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from .pulse import acknowledged_bytes

LOOK_BYTES = 256 * 1024
"""After so many more the kernel is asked again."""

Address = tuple[str, int]
SocketPair = tuple[Address, Address]


class Backlog:
    """Of one connection. Its length is in bytes."""

    def __init__(self, pair: SocketPair | None) -> None:
        """Without `pair`, or where no such socket is found, the viewer's own words have to do."""
        self._pair = pair
        self._handle = _handle_of(pair)
        self._acknowledged = self._ask() or 0
        self._unlooked_bytes = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._bytes

    @property
    def is_known(self) -> bool:
        """Whether the kernel tells."""
        return self._handle is not None

    def sent(self, size: int) -> None:
        """The server was given a message of `size` bytes."""
        self._bytes += size + _header_bytes(size)
        self._unlooked_bytes += size
        if self._unlooked_bytes >= LOOK_BYTES:
            self.look()

    def heard(self) -> None:
        """The viewer said something. Where the kernel cannot be asked, that is the answer to all that was sent."""
        if self._handle is None:
            self._bytes = 0

    def look(self) -> None:
        """Asks the kernel."""
        self._unlooked_bytes = 0
        acknowledged = self._ask()
        if acknowledged is None:
            return
        # Not below zero: what else the server wrote, pongs for instance, is no credit for what comes later.
        self._bytes = max(0, self._bytes - (acknowledged - self._acknowledged))
        self._acknowledged = acknowledged

    def _ask(self) -> int | None:
        if self._handle is None or self._pair is None:
            return None
        with _borrowed(self._handle) as sock:
            if sock is not None and _is_of(sock, self._pair):
                return acknowledged_bytes(sock)
        self._handle = None  # the server has closed it
        return None


def _handle_of(pair: SocketPair | None) -> int | None:
    if pair is None:
        return None
    for path in Path("/proc/self/fd").iterdir():
        with _borrowed(int(path.name)) as sock:
            if sock is not None and _is_of(sock, pair):
                return int(path.name)
    return None


@contextlib.contextmanager
def _borrowed(handle: int) -> Iterator[socket.socket | None]:
    """The socket of that number; None where there is none."""
    try:
        sock = socket.socket(fileno=handle)
    except OSError:
        yield None
        return
    try:
        yield sock
    finally:
        sock.detach()


def _is_of(sock: socket.socket, pair: SocketPair) -> bool:
    with contextlib.suppress(OSError):
        return (sock.getpeername()[:2], sock.getsockname()[:2]) == pair
    return False


def _header_bytes(size: int) -> int:
    """Of an unmasked frame (RFC 6455, 5.2)."""
    return 2 if size < 126 else 4 if size < 1 << 16 else 10
