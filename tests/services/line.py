"""A line between Eve and an agent on which an answer can be lost once the agent has done what it was asked for."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.services.listening import Listening

PIECE_BYTES = 65_536


class Line(Listening):
    """Carries bytes both ways, as they are."""

    def __init__(self, port: int, listener: socket.socket | None = None) -> None:
        """Leads to `port` of loopback, from where `listener` listens."""
        self._port = port
        self._loses = False
        self._goes_down = False
        self.is_down = False
        """Whether it carries nothing at all."""
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

    def _serve(self, sock: socket.socket) -> None:
        if self.is_down:
            sock.close()
            return
        with sock, socket.create_connection(("127.0.0.1", self._port)) as agent:
            threading.Thread(target=self._carry, args=(sock, agent), daemon=True).start()
            self._carry(agent, sock, is_answer=True)

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
