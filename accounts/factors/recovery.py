"""Recovery codes: each opens one sign-in when phone and passkeys are out of reach."""

from __future__ import annotations

import re
import secrets

from django.utils.crypto import salted_hmac

CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without what is mistaken for another: i, l and o, and 0 and 1."""
_LENGTH = 16
_GROUP = 4
_FORM = re.compile(rf"[{_ALPHABET}]{{{_LENGTH}}}", re.ASCII)


def recovery_code_new() -> str:
    """A new code, such as ``k7wf-m2qa-9xtp-hd4r``: 79 random bits."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(text[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))


def recovery_code_digest(code: str) -> str:
    """What is kept of a code, and what one is found by: keyed, so that nobody tries codes on a copy of the database alone."""
    return salted_hmac("accounts.recovery", code.replace("-", ""), algorithm="sha256").hexdigest()


def recovery_is_code(text: str) -> bool:
    """Whether it looks like one, with or without dashes."""
    return _FORM.fullmatch(text.replace("-", "")) is not None
