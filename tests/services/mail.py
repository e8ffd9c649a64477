"""A mail server that keeps what it is given (RFC 5321, as much of it as Eve speaks)."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage


class Mails:
    """What has arrived."""

    def __init__(self) -> None:
        self.port = 0
        self.kept: list[EmailMessage] = []

    def wait_for(self, address: str, *, seconds: float = 20) -> EmailMessage:
        """The first mail to that address."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for mail in self.kept:
                if mail["To"] == address:
                    return mail
            time.sleep(0.1)
        raise AssertionError(f"no mail to {address}")


@contextmanager
def mail_server() -> Iterator[Mails]:
    """A server on loopback, until the block ends."""
    mails = Mails()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 tests")
            while line := self.rfile.readline():
                verb = line.upper().split()[:1]
                if verb == [b"DATA"]:
                    self.say("354 go on")
                    mails.kept.append(email.message_from_bytes(self.text(), policy=email.policy.default))
                    self.say("250 kept")
                elif verb == [b"QUIT"]:
                    self.say("221 bye")
                    return
                else:
                    self.say("250 well")

        def text(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line[1:] if line.startswith(b".") else line)
            return b"".join(lines)

        def say(self, words: str) -> None:
            self.wfile.write(f"{words}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        mails.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield mails
        server.shutdown()
