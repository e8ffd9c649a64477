"""Certificates with one thing wrong each, and hosts that misbehave, on loopback."""

from __future__ import annotations

import datetime as dt
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone

from hypervisors import pki
from hypervisors.models import Certificate, CertificateUsage, Hypervisor, HypervisorState
from hypervisors.services.certificates import certificate_record, eve_pins


@dataclass(frozen=True)
class Leaf:
    """A key with its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def fingerprint(self) -> str:
        return pki.fingerprint(self.certificate)

    def write(self, path: Path) -> Path:
        path.write_bytes(pki.key_pem(self.key) + pki.certificate_pem(self.certificate).encode())
        return path


def make_leaf(
    authority: pki.Authority,
    hypervisor: Hypervisor,
    *,
    names: tuple[str, ...] | None = None,
    usage: pki.Usage = pki.Usage.SERVER,
    now: dt.datetime | None = None,
    life: dt.timedelta = pki.AGENT_LIFE,
) -> Leaf:
    """A certificate of `authority` for that hypervisor's agent."""
    key = pki.new_key()
    certificate = pki.sign(
        authority,
        key.public_key(),
        common_name=hypervisor.name,
        dns_names=pki.agent_names(hypervisor.pk, hypervisor.name) if names is None else names,
        usage=usage,
        life=life,
        now=now or timezone.now(),
    )
    return Leaf(key, certificate)


def self_signed(hypervisor: Hypervisor) -> Leaf:
    """In the right name, by itself."""
    key = pki.new_key()
    authority = pki.new_authority(now=timezone.now())
    own = pki.Authority(key, authority.certificate)
    certificate = pki.sign(
        own,
        key.public_key(),
        common_name=authority.certificate.subject.rfc4514_string()[:64],
        dns_names=pki.agent_names(hypervisor.pk, hypervisor.name),
        usage=pki.Usage.SERVER,
        life=pki.AGENT_LIFE,
        now=timezone.now(),
    )
    return Leaf(key, certificate)


def pin(hypervisor: Hypervisor, leaf: Leaf, port: int) -> Certificate:
    """Makes `leaf` the certificate that the hypervisor enrolled with, at that port of loopback."""
    row = certificate_record(certificate=leaf.certificate, usage=CertificateUsage.AGENT, hypervisor=hypervisor)
    Hypervisor.objects.filter(pk=hypervisor.pk).update(
        address=f"127.0.0.1:{port}",
        certificate_fingerprint=leaf.fingerprint,
        certificate_serial=row.serial,
        certificate_expires_at=row.not_after,
        enrolled_at=timezone.now(),
        eve_pins=list(eve_pins()),
        state=HypervisorState.OFFLINE,
    )
    hypervisor.refresh_from_db()
    return row


Script = Callable[[ssl.SSLSocket, "Peer"], None]


def answering(response: bytes) -> Script:
    """Reads a request's head and answers each with the same bytes."""

    def serve(sock: ssl.SSLSocket, peer: Peer) -> None:
        while peer.read_request(sock):
            sock.sendall(response)

    return serve


def http(body: bytes, *, status: str = "200 OK", content_type: str = "application/json", headers: str = "") -> bytes:
    """An answer as an agent gives it."""
    return (
        f"HTTP/1.1 {status}\r\nEve-Contract: 1\r\nContent-Type: {content_type}\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@dataclass
class Peer:
    """A TLS server that does what its script says, and remembers what it was sent."""

    context: ssl.SSLContext | None
    script: Script
    received: bytearray = field(default_factory=bytearray)
    """Application data of all connections; of a plaintext peer, everything."""
    handshakes: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for sock in self._open:
            sock.close()

    def read_request(self, sock: ssl.SSLSocket) -> bytes:
        """A request, its head and body; empty at the end."""
        request, length = b"", None
        while length is None or len(request) < length:
            piece = sock.recv(65536)
            self.received += piece
            if not piece:
                return b""
            request += piece
            head, end, _body = request.partition(b"\r\n\r\n")
            if end:
                found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                length = len(head) + 4 + (int(found[1]) if found else 0)
        return request

    def _accept(self) -> None:
        while True:
            try:
                sock, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(20)
            if self.context is None:
                while piece := sock.recv(65536):
                    self.received += piece
                    sock.sendall(http(b"{}"))
                return
            with self.context.wrap_socket(sock, server_side=True) as secured:
                self._open.append(secured)
                self.handshakes += 1
                self.script(secured, self)
        except OSError:
            pass
        finally:
            sock.close()


def server_context(leaf: Leaf, folder: Path, *, client_ca: pki.Authority | None = None) -> ssl.SSLContext:
    """A server that shows `leaf`; with `client_ca` it asks clients for a certificate of that CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.write(folder / f"{leaf.fingerprint[:8]}.pem"))
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca.pem)
    return context
