"""Second factors for tests: codes of an app, whose clock is Eve's."""

from __future__ import annotations

import time

from accounts.factors import totp
from accounts.models import TotpDevice, User
from accounts.services import totp_add


def code_of(secret: str) -> str:
    """What the app shows now."""
    return totp.totp_code(secret, int(time.time()) // totp.STEP_SECONDS)


def next_code(secret: str) -> str:
    """What it shows next: good already, and never the one that set the app up."""
    return totp.totp_code(secret, int(time.time()) // totp.STEP_SECONDS + 1)


def add_app(user: User) -> tuple[str, list[str]]:
    """Sets an app up for the user: its secret, and the recovery codes. The code before the present one did it."""
    secret = totp.totp_secret_new()
    codes = totp_add(user=user, secret=secret, code=totp.totp_code(secret, int(time.time()) // totp.STEP_SECONDS))
    TotpDevice.objects.filter(user=user).update(last_step=int(time.time()) // totp.STEP_SECONDS - 1)
    return secret, codes
