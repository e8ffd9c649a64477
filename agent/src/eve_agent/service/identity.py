"""The agent's key, certificate and pins on disk, and how one certificate replaces another.

A folder, 0700, of these files, 0600, each replaced as a whole:

================  ================================================================
``identity.pem``  key, certificate in use and its CA's, in one file: they can never disagree
``pending.key``   made for a signing request that was not answered yet
``next.pem``      key and certificate that were installed and not yet seen working
``ca.pem``        Eve's CA
``pins.json``     fingerprints of the client certificates that Eve may come with
================  ================================================================

``POST /certificate`` writes pending.key; ``PUT`` turns it into next.pem, which new connections are shown; the first
request that arrives over it renames next.pem to identity.pem. Each step is one rename, so that a restart finds the
state before it or after it, and Eve, who accepts both certificates meanwhile, may repeat any step.
A next.pem over which nobody came within :data:`CONFIRM_SECONDS` is dropped and the old certificate shown again, as
long as that is valid: the answer to PUT may have been lost on its way, and with it Eve's knowledge of the new one.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from eve_agent import files
from eve_agent.errors import AgentError, BadRequest
from eve_agent.wire.certs import CertificateStatus, Pins
from eve_agent.wire.codec import DecodeError, decode, encode

from . import certificates

CONFIRM_SECONDS = 900
MAX_PINS = 4
_HEX_DIGITS = frozenset("0123456789abcdef")

Now = Callable[[], dt.datetime]


class IdentityError(AgentError):
    """The folder does not hold a usable identity; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A key with its certificate, in one file."""

    path: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def load(cls, path: Path) -> Credential:
        """Raises IdentityError."""
        try:
            pem = path.read_bytes()
            credential = cls(path, certificates.load_key(pem), certificates.load_certificate(pem))
        except FileNotFoundError:
            raise IdentityError(f"{path} is missing: enrol this host first (eve-agent enrol)") from None
        except (OSError, ValueError, AgentError) as error:
            raise IdentityError(f"{path} cannot be used ({error}): enrol this host again") from error
        if not certificates.has_key(credential.certificate, credential.key):
            raise IdentityError(f"{path} holds a certificate of another key: enrol this host again")
        return credential

    @property
    def fingerprint(self) -> str:
        """Of the certificate."""
        return certificates.certificate_fingerprint(self.certificate)


def credential_pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, ca: x509.Certificate) -> bytes:
    """The content of ``identity.pem``. Without the CA's certificate OpenSSL would look for it and verify its signature in every handshake."""
    return certificates.key_pem(key) + certificates.certificate_pem(certificate) + certificates.certificate_pem(ca)


def check_pins(fingerprints: Iterable[str]) -> tuple[str, ...]:
    """The pins, without repetition. Raises BadRequest for none, too many, or what is no fingerprint."""
    pins = tuple(dict.fromkeys(fingerprints))
    if not 1 <= len(pins) <= MAX_PINS:
        raise BadRequest(f"between 1 and {MAX_PINS} fingerprints are taken, not {len(pins)}")
    for pin in pins:
        if len(pin) != 64 or not _HEX_DIGITS.issuperset(pin):
            raise BadRequest("a fingerprint is 64 lower-case hexadecimal digits (SHA-256 of the certificate's DER)")
    return pins


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Identity:
    """What this agent proves itself with, and whom it believes. Methods block on the disk and may run in any thread."""

    def __init__(self, folder: Path, *, now: Now = _utc_now) -> None:
        """Loads `folder`. Raises IdentityError."""
        self._folder = folder
        self._now = now
        self._lock = threading.Lock()
        self._current = Credential.load(folder / "identity.pem")
        self.ca_pem, self._ca = self._load_ca()
        self._pins = self._load_pins()
        self._next: Credential | None = None
        self._next_since = 0.0
        self._load_next()

    @property
    def serving(self) -> Credential:
        """What new connections are shown."""
        return self._next or self._current

    @property
    def is_pending(self) -> bool:
        """Whether an installed certificate waits to be seen working."""
        return self._next is not None

    @property
    def pins(self) -> frozenset[str]:
        """Fingerprints of the client certificates that may speak."""
        return self._pins

    @property
    def agent_name(self) -> str:
        """The name in the certificate that Eve verifies."""
        return certificates.agent_name(self._current.certificate)

    @property
    def authority(self) -> x509.Certificate:
        """Eve's CA certificate."""
        return self._ca

    def status(self) -> CertificateStatus:
        """As Eve wants to know it."""
        return CertificateStatus(
            fingerprint=self._current.fingerprint,
            serial=f"{self._current.certificate.serial_number:x}",
            not_after=self._current.certificate.not_valid_after_utc,
            pending_fingerprint=self._next.fingerprint if self._next else "",
        )

    def new_signing_request(self, common_name: str) -> str:
        """Makes a new key and returns its CSR as PEM; an unanswered key before it is forgotten. Raises OSError."""
        with self._lock:
            key = certificates.make_key()
            files.write_atomically(self._folder / "pending.key", certificates.key_pem(key))
            return certificates.signing_request(key, common_name)

    def install(self, pem: str) -> CertificateStatus:
        """Takes the certificate for the pending key into service; the same one again changes nothing.

        Raises:
            BadCertificate: it is for another key, name or use, not by Eve's CA, or not valid now.
            OSError: the disk.
        """
        certificate = certificates.load_certificate(pem)
        with self._lock:
            if certificate in (self._current.certificate, self._next and self._next.certificate):
                return self.status()
            key = self._pending_key()
            certificates.check_agent_certificate(
                certificate, key=key, ca=self._ca, dns_name=self.agent_name, now=self._now()
            )
            path = self._folder / "next.pem"
            files.write_atomically(path, credential_pem(key, certificate, self._ca))
            self._next, self._next_since = Credential(path, key, certificate), time.time()
            with suppress(FileNotFoundError):
                (self._folder / "pending.key").unlink()
            return self.status()

    def confirm(self, fingerprint: str) -> bool:
        """A request came over that certificate. Returns whether this made it the one in use. Raises OSError."""
        if self._next is None or fingerprint != self._next.fingerprint:
            return False
        with self._lock:
            if self._next is None or fingerprint != self._next.fingerprint:
                return False
            target = self._folder / "identity.pem"
            files.move(self._next.path, target)
            self._current = Credential(target, self._next.key, self._next.certificate)
            self._next = None
            return True

    def drop_unconfirmed(self) -> bool:
        """Goes back to the old certificate if nobody came over the new one in time. Returns whether it did."""
        with self._lock:
            if self._next is None or time.time() - self._next_since < CONFIRM_SECONDS:
                return False
            if self._now() >= self._current.certificate.not_valid_after_utc:
                return False
            self._next.path.unlink(missing_ok=True)
            self._next = None
            return True

    def replace_pins(self, fingerprints: Iterable[str], *, speaker: str) -> Pins:
        """Replaces the pins. `speaker` is the fingerprint of the client certificate that asks for it.

        Raises:
            BadRequest: malformed, or the speaker's own is missing: a pin that was never seen working must not become
                the only one, so Eve announces [current, next], and [next] once it comes with next.
        """
        pins = check_pins(fingerprints)
        if speaker not in pins:
            raise BadRequest(
                "the new pins lack the certificate that this request came with; "
                "announce both, and drop the old one over a connection of the new one"
            )
        with self._lock:
            files.write_atomically(self._folder / "pins.json", encode(Pins(eve_fingerprints=pins)))
            self._pins = frozenset(pins)
        return Pins(eve_fingerprints=pins)

    def _load_ca(self) -> tuple[str, x509.Certificate]:
        path = self._folder / "ca.pem"
        try:
            pem = path.read_text()
            return pem, certificates.load_certificate(pem)
        except (OSError, ValueError, AgentError) as error:
            raise IdentityError(f"{path} cannot be used ({error}): enrol this host again") from error

    def _load_pins(self) -> frozenset[str]:
        path = self._folder / "pins.json"
        try:
            return frozenset(check_pins(decode(Pins, path.read_bytes()).eve_fingerprints))
        except (OSError, DecodeError, AgentError) as error:
            raise IdentityError(f"{path} cannot be used ({error}): enrol this host again") from error

    def _load_next(self) -> None:
        path = self._folder / "next.pem"
        try:
            written_at = path.stat().st_mtime
        except FileNotFoundError:
            return
        try:
            self._next, self._next_since = Credential.load(path), written_at
        except IdentityError:
            path.unlink(missing_ok=True)  # the certificate in use is whole, and Eve will ask again
        self.drop_unconfirmed()

    def _pending_key(self) -> ec.EllipticCurvePrivateKey:
        try:
            return certificates.load_key((self._folder / "pending.key").read_bytes())
        except FileNotFoundError:
            raise certificates.BadCertificate("no signing request is open here: ask for one first") from None
        except ValueError as error:
            raise certificates.BadCertificate(
                f"the pending key cannot be read ({error}): ask for a new request"
            ) from error
