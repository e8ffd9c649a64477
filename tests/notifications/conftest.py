"""What the tests of notifications share: a receiver of webhooks that behaves as it is told, and a courier that works until all is still."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from asgiref.sync import async_to_sync

from common.problems import problem
from notifications import courier
from notifications.models import Event
from operations.claims import operation_claim, operation_end
from operations.models import Operation
from operations.services import operation_create
from tests.cast import Cast
from tests.services.mail import Mails, mail_server

PROBLEM = problem(status_code=409, code="wrong", title="Wrong", detail="The disk is full.")


class Receiver:
    """An https server on loopback, that behaves as :attr:`behaviour` says, and keeps what it was sent."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.behaviour = "ok"
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.connections = 0
        self.open = 0
        self.sent_bytes = 0
        self._context = context
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/hook?from=eve"

    def close(self) -> None:
        self._closed.set()
        self._listener.close()

    def wait_until(self, condition: Callable[[], object], *, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                plain, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open += 1
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(30)
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                self._read(connection)
                self._answer(connection)
        except OSError:
            pass
        finally:
            self.open -= 1

    def _read(self, connection: ssl.SSLSocket) -> None:
        with connection.makefile("rb") as stream:
            request = stream.readline().decode().strip()
            headers = {":request": request}
            while line := stream.readline().decode().strip():
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            self.got.append((headers, stream.read(int(headers["content-length"]))))

    def _answer(self, connection: ssl.SSLSocket) -> None:
        def say(text: str) -> None:
            connection.sendall(text.encode())
            self.sent_bytes += len(text)

        match self.behaviour:
            case "ok":
                say("HTTP/1.1 204 No Content\r\n\r\n")
            case "early":
                say("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            case "error":
                say("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n")
            case "redirect":
                say(f"HTTP/1.1 307 Go\r\nlocation: {self.url}\r\ncontent-length: 0\r\n\r\n")
            case "hang":
                self._closed.wait(60)
            case "no http":
                say("SSH-2.0-OpenSSH_9.2\r\n")
            case "drip":
                say("HTTP/1.1 200 OK\r\n")
                while not self._closed.wait(0.1):
                    say("x-a: b\r\n")
            case "endless head":
                say("HTTP/1.1 200 OK\r\n")
                while not self._closed.is_set():
                    say("x-a: " + "b" * 4000 + "\r\n")
            case "endless body":
                say("HTTP/1.1 200 OK\r\n\r\n")
                while not self._closed.is_set():
                    say("x" * 65536)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """An authority that the system does not know."""
    return trustme.CA()


@pytest.fixture
def receiver(authority: trustme.CA, settings: Any, tmp_path: Path) -> Iterator[Receiver]:
    """A receiver on loopback, which is allowed, with a certificate that is trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    settings.WEBHOOK_CA_BUNDLE = str(bundle)
    settings.WEBHOOK_ALLOW_PRIVATE = True
    receiver = Receiver(context)
    yield receiver
    receiver.close()


@pytest.fixture
def smtp(settings: Any) -> Iterator[Mails]:
    """A real mail server, to which Eve sends."""
    with mail_server() as mails:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mails.port
        yield mails


def fail_operation(cast: Cast, **fields: Any) -> Operation:
    """An operation on Acme's VM that has failed."""
    wanted = {"kind": "vm.start", "target": cast.acme_vm, "project": cast.acme, "user": cast.owner, **fields}
    operation_create(**wanted)
    operation = operation_claim(worker="w")
    assert operation is not None
    assert operation_end(operation=operation, problem=PROBLEM)
    return operation


def settle() -> None:
    """Does what a courier has to do just now, and waits until nothing is under way."""

    async def work() -> None:
        one = courier.Courier()
        woken = asyncio.Event()
        await one.look(woken)
        while one._lanes:
            await asyncio.wait(one._lanes.values())
            await one.look(woken)
        one._database.shutdown()
        one._mail.shutdown()

    async_to_sync(work)()


def events(kind: str) -> list[Event]:
    """What was told of that kind, the oldest first."""
    return list(Event.objects.filter(kind=kind).order_by("at", "id"))
