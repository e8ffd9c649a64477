"""Enrolment and renewal of certificates."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass

_TOKEN = re.compile(r"eve1\.(?P<public>[A-Za-z0-9_-]{16})\.(?P<secret>[A-Za-z0-9_-]{43})\.(?P<ca>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """The one-use secret of the line that an operator runs on a host: ``eve1.PUBLIC.SECRET.CA-FINGERPRINT``."""

    public: str
    """16 characters that find the token's row."""
    secret: str
    """43 characters of URL-safe base64: 256 bits."""
    ca_fingerprint: str
    """SHA-256 of the DER of Eve's CA certificate, 64 lower-case hexadecimal digits."""

    @classmethod
    def parse(cls, text: str) -> EnrolmentToken:
        """The token in `text`. Raises ValueError where it is none."""
        match = _TOKEN.fullmatch(text.strip())
        if match is None:
            raise ValueError("no enrolment token: copy the whole line that Eve showed")
        return cls(public=match["public"], secret=match["secret"], ca_fingerprint=match["ca"])

    def __str__(self) -> str:
        return f"eve1.{self.public}.{self.secret}.{self.ca_fingerprint}"

    def __repr__(self) -> str:
        return f"EnrolmentToken(public={self.public!r}, secret=…)"


def agent_dns_name(hypervisor_id: uuid.UUID) -> str:
    """The name in an agent's certificate (SAN, beside the hypervisor's name) that Eve asks for by SNI and verifies."""
    return f"{hypervisor_id}.agent.eve.internal"


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """Body of ``POST /api/v1/enrol``, from agent to Eve."""

    token: str
    csr_pem: str
    """PKCS#10; only its public key is used, whatever names it asks for."""
    contract_version: int
    agent_version: str
    time: dt.datetime
    """The host's clock, so that Eve can name its skew."""


@dataclass(frozen=True, slots=True)
class EnrolmentAnswer:
    """What Eve answers to it."""

    hypervisor_id: uuid.UUID
    hypervisor_name: str
    certificate_pem: str
    ca_pem: str
    """To be checked against the token's fingerprint before anything else of the answer is believed."""
    eve_fingerprints: tuple[str, ...]
    """SHA-256 of the DER of each client certificate that Eve may present: the agent's pins."""
    listen: str
    """``HOST:PORT`` that Eve will connect to; the agent listens on that port."""
    time: dt.datetime
    """Eve's clock."""


@dataclass(frozen=True, slots=True)
class CertificateSigningRequest:
    """What ``POST /certificate`` answers: the agent made a new key and wants this signed."""

    csr_pem: str


@dataclass(frozen=True, slots=True)
class CertificateInstall:
    """Body of ``PUT /certificate``: the agent serves it from the next connection on, and drops the old once Eve came over the new one."""

    certificate_pem: str


@dataclass(frozen=True, slots=True)
class Pins:
    """Body of ``PUT /certificate/pins`` and its answer: the client certificates that the agent accepts."""

    eve_fingerprints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """What ``GET /certificate`` and ``PUT /certificate`` answer."""

    fingerprint: str
    """SHA-256 of the DER of the certificate in use, lower-case hexadecimal."""
    serial: str
    """Hexadecimal."""
    not_after: dt.datetime
    pending_fingerprint: str = ""
    """Of the installed certificate that has not yet been seen working; else empty."""
