"""A line between Eve and an agent on which an answer can be lost once the agent has done what it was asked for."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from tests.services.listening import Listening

PIECE_BYTES = 65_536


RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)
"""As SO_LINGER: what waits is thrown away, and the other side is told of a reset."""


class Line(Listening):
    """Carries bytes both ways, as they are."""

    def __init__(self, port: int, listener: socket.socket | None = None) -> None:
        """Leads to `port` of loopback, from where `listener` listens."""
        self._port = port
        self._loses = False
        self._goes_down = False
        self.is_down = False
        """Whether it carries nothing at all."""
        self._open: set[socket.socket] = set()
        super().__init__(listener)

    def lose_next_answer(self, *, goes_down: bool) -> None:
        """What comes next from the agent ends its connection instead; with `goes_down` nobody gets through from then on.

        Call it while all connections are at rest: those that are being made bring something from the agent before its answer.
        """
        self._loses, self._goes_down = True, goes_down

    @property
    def has_lost(self) -> bool:
        """Whether the answer came that was to be lost."""
        return not self._loses

    def break_off(self) -> None:
        """Resets all connections, wherever in their bytes they are."""
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_WHEN_CLOSED)
                sock.shutdown(socket.SHUT_RDWR)

    def _serve(self, sock: socket.socket) -> None:
        if self.is_down:
            sock.close()
            return
        with (
            contextlib.suppress(ConnectionRefusedError),
            sock,
            socket.create_connection(("127.0.0.1", self._port)) as agent,
        ):
            self._open |= {sock, agent}
            threading.Thread(target=self._carry, args=(sock, agent), daemon=True).start()
            self._carry(agent, sock, is_answer=True)
            self._open -= {sock, agent}

    def _carry(self, source: socket.socket, target: socket.socket, *, is_answer: bool = False) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                if is_answer and self._loses:
                    self._loses, self.is_down = False, self._goes_down
                    break
                target.sendall(piece)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
