"""Signatures of what webhooks are sent: Standard Webhooks (https://www.standardwebhooks.com), version 1.

The receiver computes HMAC-SHA256 over ``ID.TIMESTAMP.BODY`` with the secret's bytes, compares it in constant time with what
follows ``v1,`` in ``webhook-signature``, and refuses an old timestamp.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final
from uuid import UUID

from common.sealing import seal, unseal

PREFIX: Final = "whsec_"
PURPOSE: Final = "webhook"
SECRET_BYTES: Final = 32


def secret_new() -> str:
    """256 random bits, as receivers' libraries take them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def secret_seal(secret: str) -> str:
    """As it is kept."""
    return seal(secret, purpose=PURPOSE)


def signed_headers(*, sealed_secret: str, delivery_id: UUID, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of one try. Raises common.sealing.SealBroken."""
    key = base64.b64decode(unseal(sealed_secret, purpose=PURPOSE).removeprefix(PREFIX))
    what = f"{delivery_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, what, hashlib.sha256)).decode()
    return {
        "webhook-id": str(delivery_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
