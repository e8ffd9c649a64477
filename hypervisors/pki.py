"""Eve's certificate authority: what is signed, and how (X.509: RFC 5280). No files, no database.

Keys are ECDSA on P-256 or P-384 throughout, serials 128 random bits, and every certificate is for exactly one use:
agents serve, Eve calls.
"""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from eve_agent.wire.certs import agent_dns_name

from common.sentences import gettext as _

from .address import is_host_name
from .errors import CertificateRefused

CA_LIFE = dt.timedelta(days=3652)
AGENT_LIFE = dt.timedelta(days=90)
CLIENT_LIFE = dt.timedelta(days=365)
BACKDATED = dt.timedelta(minutes=1)
"""A certificate begins that long before it was signed: clocks differ a little."""
MAX_PEM_CHARACTERS = 16 * 1024
_CURVES = (ec.SECP256R1, ec.SECP384R1)


class Usage(enum.Enum):
    """The one thing that a certificate is for."""

    SERVER = ExtendedKeyUsageOID.SERVER_AUTH
    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA: its key never leaves this process but into its file."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def __repr__(self) -> str:
        return f"Authority({self.fingerprint})"

    @property
    def pem(self) -> str:
        """The CA's certificate."""
        return certificate_pem(self.certificate)

    @property
    def fingerprint(self) -> str:
        """Of the CA's certificate."""
        return fingerprint(self.certificate)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER, 64 lower-case hexadecimal digits."""
    return fingerprint_of_der(certificate.public_bytes(serialization.Encoding.DER))


def fingerprint_of_der(der: bytes) -> str:
    """As :func:`fingerprint`."""
    return hashlib.sha256(der).hexdigest()


def serial_text(certificate: x509.Certificate) -> str:
    """The serial as 32 hexadecimal digits, lower case."""
    return f"{certificate.serial_number:032x}"


def serial_from_text(text: str) -> str:
    """`text` in that form, whatever case, colons or leading zeros it came with. Raises CertificateRefused."""
    digits = text.strip().lower().replace(":", "").removeprefix("0x")
    if not digits or len(digits) > 40 or any(digit not in "0123456789abcdef" for digit in digits):
        raise CertificateRefused(_("A serial is up to 40 hexadecimal digits, as ca_show and the pages show it."))
    return f"{int(digits, 16):032x}"


def new_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as unencrypted PKCS#8: for files of mode 0600 only."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_pem(certificate: x509.Certificate) -> str:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def load_certificate(pem: str) -> x509.Certificate:
    """The first certificate in `pem`. Raises CertificateRefused."""
    if len(pem) > MAX_PEM_CHARACTERS:
        raise CertificateRefused(_("That is too long for a certificate."))
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise CertificateRefused(_("That is no PEM certificate.")) from error


def has_key(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether `certificate` is about `key`."""
    return _public_bytes(certificate.public_key()) == _public_bytes(key.public_key())


def new_authority(*, now: dt.datetime) -> Authority:
    """A new CA with a new key, for ten years. It may sign certificates for hosts and for Eve, and no further CA."""
    key = new_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Eve"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Eve CA {secrets.token_hex(4)}"),
        ]
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key.public_key(), not_before=now - BACKDATED, not_after=now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_ca=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def agent_names(hypervisor_id: uuid.UUID, name: str) -> tuple[str, ...]:
    """The DNS names in the certificate of that hypervisor's agent, and the only ones."""
    first = agent_dns_name(hypervisor_id)
    return (first, name) if is_host_name(name) and name != first else (first,)


def sign(
    authority: Authority,
    public_key: ec.EllipticCurvePublicKey,
    *,
    common_name: str,
    dns_names: Sequence[str],
    usage: Usage,
    life: dt.timedelta,
    now: dt.datetime,
) -> x509.Certificate:
    """A certificate about `public_key`, for `usage` only, never beyond the CA's own end."""
    issuer = authority.certificate
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    builder = (
        _builder(
            subject,
            issuer.subject,
            public_key,
            not_before=now - BACKDATED,
            not_after=min(now + life, issuer.not_valid_after_utc),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage.value]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
    )
    if dns_names:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def read_signing_request(pem: str, *, allowed_names: Sequence[str]) -> ec.EllipticCurvePublicKey:
    """The public key in a PKCS#10 request; nothing else of it is ever used.

    Its common name is ignored (a host asks with whatever it calls itself), but a request that asks to be a CA, or for
    alternative names beyond `allowed_names`, is refused: no agent of ours asks for that.

    Raises:
        CertificateRefused: malformed, signed by another key, another kind of key, or asking for too much.
    """
    if len(pem) > MAX_PEM_CHARACTERS:
        raise CertificateRefused(_("That is too long for a signing request."))
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        is_signed = request.is_signature_valid
        key = request.public_key()
        extensions = {extension.oid: extension.value for extension in request.extensions}
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType, x509.DuplicateExtension) as error:
        raise CertificateRefused(_("That is no PEM signing request (PKCS#10) that Eve understands.")) from error
    if not is_signed:
        raise CertificateRefused(_("The signing request is not signed by the key that it is about."))
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise CertificateRefused(_("Eve signs ECDSA keys on P-256 or P-384 only."))
    constraints = extensions.get(x509.BasicConstraints.oid)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        raise CertificateRefused(_("The signing request asks to be a CA. Eve signs no other CA."))
    names = extensions.get(x509.SubjectAlternativeName.oid)
    if isinstance(names, x509.SubjectAlternativeName):
        beyond = [name for name in names if not (isinstance(name, x509.DNSName) and name.value in allowed_names)]
        if beyond:
            raise CertificateRefused(_("The signing request asks for names that are not this host's."))
    return key


def check_certificate(certificate: x509.Certificate, authority: Authority, *, now: dt.datetime) -> None:
    """Raises CertificateRefused unless `certificate` is signed by `authority` and valid now."""
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise CertificateRefused(_("The certificate is not signed by Eve's CA.")) from error
    if now < certificate.not_valid_before_utc:
        raise CertificateRefused(
            _("The certificate is not valid before %(time)s.") % {"time": _utc(certificate.not_valid_before_utc)}
        )
    if now >= certificate.not_valid_after_utc:
        raise CertificateRefused(
            _("The certificate ended on %(time)s.") % {"time": _utc(certificate.not_valid_after_utc)}
        )


def _utc(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    not_before: dt.datetime,
    not_after: dt.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(secrets.randbits(128) or 1)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _public_bytes(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
