"""Certificates for the agent's tests: a CA, and leaves with one thing wrong each."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from eve_agent.service import certificates
from eve_agent.wire.certs import Pins, agent_dns_name
from eve_agent.wire.codec import encode

HYPERVISOR = uuid.UUID("7c1f2a52-6f0a-4b6e-9d2b-0d8a5a8f4e11")
NAME = agent_dns_name(HYPERVISOR)
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


def now() -> dt.datetime:
    """The present, in whole seconds as certificates have them."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Leaf:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return certificates.certificate_pem(self.certificate).decode()

    @property
    def fingerprint(self) -> str:
        return certificates.certificate_fingerprint(self.certificate)

    def write(self, path: Path) -> Path:
        """Key and certificate into one file."""
        path.write_bytes(certificates.key_pem(self.key) + self.pem.encode())
        return path


class Authority(Leaf):
    """A CA."""

    @classmethod
    def make(cls, name: str = "Eve") -> Authority:
        key = certificates.make_key()
        extensions = [(x509.BasicConstraints(True, 0), True)]
        ends = dt.timedelta(days=3650)
        return cls(key, _sign(key.public_key(), key, name, name, extensions=extensions, ends=ends))

    def issue(
        self,
        *,
        usage: x509.ObjectIdentifier | None = SERVER,
        names: tuple[str, ...] = (NAME,),
        key: ec.EllipticCurvePrivateKey | None = None,
        starts: dt.timedelta = dt.timedelta(minutes=-1),
        ends: dt.timedelta = dt.timedelta(days=90),
    ) -> Leaf:
        key = key or certificates.make_key()
        san = x509.SubjectAlternativeName(
            [*map(x509.DNSName, names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(False, None), True), (san, False)]
        if usage is not None:
            extensions.append((x509.ExtendedKeyUsage([usage]), False))
        issuer = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        certificate = _sign(
            key.public_key(), self.key, "leaf", str(issuer), extensions=extensions, starts=starts, ends=ends
        )
        return Leaf(key, certificate)

    def client(self, **changes) -> Leaf:
        return self.issue(usage=CLIENT, names=("eve",), **changes)


def self_signed() -> Leaf:
    key = certificates.make_key()
    extensions = [(x509.ExtendedKeyUsage([CLIENT]), False)]
    return Leaf(key, _sign(key.public_key(), key, "self", "self", extensions=extensions))


def certify(authority: Authority, csr_pem: str, **changes) -> Leaf:
    """Signs the public key of a request."""
    csr = x509.load_pem_x509_csr(csr_pem.encode())
    leaf = authority.issue(**changes)
    san = leaf.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = leaf.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    issuer = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    extensions = [(x509.BasicConstraints(False, None), True), (san, False), (usage, False)]
    window = (leaf.certificate.not_valid_before_utc - now(), leaf.certificate.not_valid_after_utc - now())
    certificate = _sign(
        csr.public_key(), authority.key, "leaf", str(issuer), extensions=extensions, starts=window[0], ends=window[1]
    )
    return Leaf(leaf.key, certificate)


def write_identity(folder: Path, authority: Authority, agent: Leaf, pins: tuple[str, ...]) -> Path:
    """A folder as enrolment leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    agent.write(folder / "identity.pem")
    (folder / "ca.pem").write_text(authority.pem)
    (folder / "pins.json").write_bytes(encode(Pins(eve_fingerprints=pins)))
    return folder


def client_context(folder: Path, authority: Authority, leaf: Leaf | None) -> ssl.SSLContext:
    """As Eve: trusts the authority, shows the leaf."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.pem)
    if leaf is not None:
        context.load_cert_chain(leaf.write(folder / f"client-{leaf.fingerprint[:16]}.pem"))
    return context


def _sign(
    public_key,
    signer,
    subject: str,
    issuer: str,
    *,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    starts: dt.timedelta = dt.timedelta(minutes=-1),
    ends: dt.timedelta = dt.timedelta(days=90),
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() + starts)
        .not_valid_after(now() + ends)
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    return builder.sign(signer, hashes.SHA256())
