"""A guest's serial line as a socket: libvirt gives a stream (``virDomainOpenConsole``), and its event thread copies between the two.

The stream lives on a connection of its own, so that a call that hangs, or a session that is let go, takes no console with it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from .binding import Handle, LibvirtError, Stream, handle_add, handle_remove, handle_update

CHUNK_BYTES = 16 * 1024
"""As much is held for each direction while the other side takes nothing."""


class SerialBridge:
    """Copies until one side ends; then closes all of it.

    Args:
        connection: a ``libvirt.virConnect``, which is the bridge's from now on.
        stream: a non-blocking ``virStream`` of it, open to the line.
    """

    def __init__(self, connection: Any, stream: Any) -> None:
        self._connection = connection
        self._stream = stream
        self._lock = threading.Lock()
        """The two callbacks come from libvirt's one event thread, but the first may come before :meth:`open` is done."""
        self._to_viewer = b""
        self._to_guest = b""
        self._is_over = False
        self._watch = -1
        self._near, self._far = socket.socketpair()

    def open(self) -> socket.socket:
        """The viewer's end, non-blocking; the caller owns it."""
        for end in (self._near, self._far):
            end.setblocking(False)
        with self._lock:
            self._watch = handle_add(self._near.fileno(), Handle.READABLE, self._on_socket)
            self._stream.eventAddCallback(Stream.READABLE, self._on_stream, None)
        return self._far

    def _on_stream(self, _stream: Any, events: int, _opaque: object) -> None:
        with self._lock:
            if not self._is_over:
                self._move(is_ending=bool(events & (Stream.ERROR | Stream.HANGUP)))

    def _on_socket(self, _watch: int, _fd: int, _events: int, _opaque: object) -> None:
        with self._lock:
            if not self._is_over:
                self._move(is_ending=False)

    def _move(self, *, is_ending: bool) -> None:
        try:
            is_open = self._from_guest() and self._from_viewer()
        except (OSError, LibvirtError):
            is_open = False
        if not is_open or (is_ending and not self._to_viewer):
            self._end()
            return
        self._stream.eventUpdateCallback(
            (0 if self._to_viewer else Stream.READABLE) | (Stream.WRITABLE if self._to_guest else 0)
        )
        handle_update(
            self._watch, (0 if self._to_guest else Handle.READABLE) | (Handle.WRITABLE if self._to_viewer else 0)
        )

    def _from_guest(self) -> bool:
        """False at the line's end."""
        while True:
            if not self._to_viewer:
                received = self._stream.recv(CHUNK_BYTES)
                if received == Stream.WOULD_BLOCK:
                    return True
                if not received:
                    return False
                self._to_viewer = received
            try:
                sent = self._near.send(self._to_viewer)
            except BlockingIOError:
                return True
            self._to_viewer = self._to_viewer[sent:]

    def _from_viewer(self) -> bool:
        """False once the viewer is gone."""
        while True:
            if not self._to_guest:
                try:
                    self._to_guest = self._near.recv(CHUNK_BYTES)
                except BlockingIOError:
                    return True
                if not self._to_guest:
                    return False
            sent = self._stream.send(self._to_guest)
            if sent == Stream.WOULD_BLOCK:
                return True
            self._to_guest = self._to_guest[sent:]

    def _end(self) -> None:
        self._is_over = True
        handle_remove(self._watch)
        self._near.close()
        # Elsewhere: a daemon that hangs must not hold up the event thread, on which all other consoles wait.
        threading.Thread(target=self._let_go, name="serial end", daemon=True).start()

    def _let_go(self) -> None:
        with contextlib.suppress(LibvirtError):
            self._stream.eventRemoveCallback()
        with contextlib.suppress(LibvirtError):
            self._stream.abort()
        with contextlib.suppress(LibvirtError):
            self._connection.close()
