"""Codes of an authenticator app (RFC 6238): six digits from SHA-1, a new one every 30 seconds, as every such app has them."""

from __future__ import annotations

import base64
import re
import secrets
from urllib.parse import quote, urlencode

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

DIGITS = 6
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""How many codes before and after the present one are good: clocks differ, and typing takes a moment."""
SECRET_BYTES = 20
"""As long as SHA-1's result (RFC 4226, section 4, R6)."""

_CODE = re.compile(rf"[0-9]{{{DIGITS}}}", re.ASCII)


def totp_secret_new() -> str:
    """A new secret in base32, as apps take it."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def totp_is_code(text: str) -> bool:
    """Whether it looks like such a code."""
    return _CODE.fullmatch(text) is not None


def totp_code(secret: str, step: int) -> str:
    """The code of a step: of the seconds from ``step * STEP_SECONDS`` on, since 1970."""
    # SHA-1 is what apps understand; as a MAC it is not touched by its collisions.
    generator = TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303
    return generator.generate(step * STEP_SECONDS).decode()


def totp_step(secret: str, code: str, *, now: float) -> int | None:
    """The step that `code` is of, at or near `now` (seconds since 1970); None for none. All steps are tried in any case."""
    present, found = int(now) // STEP_SECONDS, None
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        if secrets.compare_digest(totp_code(secret, step).encode(), code.encode()):
            found = step
    return found


def totp_address(secret: str, *, account: str) -> str:
    """What an app reads from the picture (Google Authenticator's key URI format)."""
    label = quote(f"Eve:{account}", safe="")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': 'Eve'})}"


def totp_picture(address: str) -> str:
    """The address as a QR code: an SVG in a ``data:`` address, dark on white whatever the page's theme."""
    return segno.make(address, error="m").svg_data_uri(scale=4, border=4, dark="#000", light="#fff")
