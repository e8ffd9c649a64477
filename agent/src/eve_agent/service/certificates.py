"""Keys, signing requests, fingerprints, and what makes a certificate good for an agent (X.509: RFC 5280)."""

from __future__ import annotations

import datetime as dt
import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eve_agent.errors import BadRequest

AGENT_DOMAIN = ".agent.eve.internal"
"""How the name ends that Eve asks an agent for (:func:`eve_agent.wire.certs.agent_dns_name`)."""


class BadCertificate(BadRequest):
    """A certificate that this agent must not use; the text says why."""


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate's DER, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(der).hexdigest()


def certificate_fingerprint(certificate: x509.Certificate) -> str:
    """As :func:`fingerprint`."""
    return fingerprint(certificate.public_bytes(serialization.Encoding.DER))


def make_key() -> ec.EllipticCurvePrivateKey:
    """A new ECDSA P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as unencrypted PKCS#8; for files of mode 0600 only."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The key in `pem`. Raises ValueError where there is none."""
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("no elliptic curve key")
    return key


def load_certificate(pem: str | bytes) -> x509.Certificate:
    """The certificate in `pem`. Raises BadCertificate where there is none."""
    try:
        return x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
    except ValueError as error:
        raise BadCertificate(f"that is no PEM certificate: {error}") from error


def signing_request(key: ec.EllipticCurvePrivateKey, common_name: str) -> str:
    """A PKCS#10 request as PEM; Eve takes its public key only. `common_name` is cut to X.509's 64 characters."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64] or "eve-agent")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def agent_name(certificate: x509.Certificate) -> str:
    """The name in `certificate` that Eve verifies; empty where it has none."""
    return next((name for name in _dns_names(certificate) if name.endswith(AGENT_DOMAIN)), "")


def has_key(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether `certificate` is about `key`."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def check_authority(ca: x509.Certificate, now: dt.datetime) -> None:
    """Raises BadCertificate unless `ca` may sign certificates today."""
    try:
        is_ca = ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        is_ca = False
    if not is_ca:
        raise BadCertificate("what was sent as Eve's CA is no CA certificate")
    _check_dates(ca, now, "Eve's CA certificate")


def check_agent_certificate(
    certificate: x509.Certificate,
    *,
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    dns_name: str,
    now: dt.datetime,
) -> None:
    """Raises BadCertificate unless it is about `key`, signed by `ca`, for `dns_name`, for servers, and valid now."""
    if not has_key(certificate, key):
        raise BadCertificate("the certificate belongs to another key than the one this agent asked for")
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise BadCertificate("the certificate is not signed by Eve's CA") from error
    if dns_name not in _dns_names(certificate):
        raise BadCertificate(f"the certificate does not name {dns_name}")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        usage = None
    if usage is None or ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        raise BadCertificate("the certificate is not for servers (extended key usage serverAuth)")
    _check_dates(certificate, now, "the certificate")


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.DNSName)


def _check_dates(certificate: x509.Certificate, now: dt.datetime, what: str) -> None:
    if now < certificate.not_valid_before_utc:
        raise BadCertificate(f"{what} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC only")
    if now >= certificate.not_valid_after_utc:
        raise BadCertificate(f"{what} ended {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
