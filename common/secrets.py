"""Opaque secrets: made from the system's randomness, kept as digests, compared in constant time."""

from __future__ import annotations

import hashlib
import secrets

SECRET_BYTES = 32


def new_secret() -> str:
    """256 bits as 43 characters of URL-safe base64."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_public() -> str:
    """96 bits as 16 characters of URL-safe base64: finds a row, proves nothing."""
    return secrets.token_urlsafe(12)


def digest_of(secret: str) -> str:
    """SHA-256 of a secret of 256 random bits, as 64 hexadecimal digits; such secrets need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, digest: str) -> bool:
    """Whether `digest` is that of `secret`, in constant time."""
    return secrets.compare_digest(digest_of(secret), digest)
