"""Secrets that Eve has to read again, encrypted at rest under a key that is not in the database."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class SealBroken(ValueError):
    """It was sealed under another key or for another purpose, or was changed since."""


def seal(secret: str, *, purpose: str) -> str:
    """`secret` encrypted and authenticated (Fernet: AES-128-CBC, HMAC-SHA-256); only :func:`unseal` with that `purpose` reads it."""
    return _box(purpose).encrypt(secret.encode()).decode()


def unseal(sealed: str, *, purpose: str) -> str:
    """What was sealed. Raises SealBroken."""
    try:
        return _box(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SealBroken(purpose) from None


def _box(purpose: str) -> Fernet:
    """The key is derived from EVE_SECRET_KEY by HKDF (RFC 5869), one for each purpose."""
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"eve.seal.{purpose}".encode())
    return Fernet(base64.urlsafe_b64encode(kdf.derive(settings.SECRET_KEY.encode())))
