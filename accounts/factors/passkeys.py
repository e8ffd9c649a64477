"""Passkeys and security keys (W3C Web Authentication, level 2), by python-fido2. The one module that knows that library.

The relying party is the host of EVE_PUBLIC_URL. Browsers offer passkeys on names, not on IP addresses, and only with https or on
``localhost``; anywhere else :func:`passkeys_possible` says no.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

LONGEST_ANSWER = 20_000
_VERIFICATION = UserVerificationRequirement.DISCOURAGED
"""No PIN or finger on top: the password has been asked for already."""


class BadPasskey(ValueError):
    """What the browser sent proves nothing."""


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that a browser has just made."""

    credential: bytes
    """Its id and public key, as the authenticator encodes them (attested credential data)."""
    credential_id: bytes
    sign_count: int


@dataclass(frozen=True, slots=True)
class Proof:
    """That the holder of a passkey was there."""

    credential_id: bytes
    sign_count: int


def passkeys_possible() -> bool:
    """Whether browsers offer passkeys at Eve's address."""
    address = urlsplit(settings.PUBLIC_URL)
    try:
        ipaddress.ip_address(address.hostname or "")
    except ValueError:
        return address.scheme == "https" or address.hostname == "localhost"
    return False


def passkey_make_begin(
    *, user_id: bytes, email: str, name: str, present: Sequence[bytes]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a browser needs to make a passkey, and what has to be remembered until its answer comes.

    Args:
        present: the credentials of the user's passkeys, which are not made a second time on the same device.
    """
    user = PublicKeyCredentialUserEntity(id=user_id, name=email, display_name=name)
    options, state = _server().register_begin(
        user,
        [AttestedCredentialData(each) for each in present],
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=_VERIFICATION,
    )
    return _plain(options), state


def passkey_make_end(state: dict[str, Any], answer: str) -> NewPasskey:
    """The passkey that the browser made. Raises BadPasskey."""
    parsed = _parsed(answer)
    try:
        made = _server().register_complete(state, parsed)
        credential = made.credential_data
    except Exception as error:  # whatever of a browser's answer the library trips over is a bad answer
        raise BadPasskey(str(error)) from error
    if credential is None:
        raise BadPasskey("no credential")
    return NewPasskey(credential=bytes(credential), credential_id=credential.credential_id, sign_count=made.counter)


def passkey_ask_begin(present: Sequence[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a browser needs to ask for one of these passkeys, and what has to be remembered until its answer comes."""
    options, state = _server().authenticate_begin(
        [AttestedCredentialData(each) for each in present], user_verification=_VERIFICATION
    )
    return _plain(options), state


def passkey_ask_end(state: dict[str, Any], present: Sequence[bytes], answer: str) -> Proof:
    """Which of the passkeys was there. Raises BadPasskey."""
    parsed = _parsed(answer)
    try:
        found = _server().authenticate_complete(state, [AttestedCredentialData(each) for each in present], parsed)
        count = AuthenticationResponse.from_dict(parsed).response.authenticator_data.counter
    except Exception as error:  # as above
        raise BadPasskey(str(error)) from error
    return Proof(credential_id=found.credential_id, sign_count=count)


def _server() -> Fido2Server:
    party = PublicKeyCredentialRpEntity(id=urlsplit(settings.PUBLIC_URL).hostname or "", name="Eve")
    return Fido2Server(party, verify_origin=lambda origin: origin.lower() in settings.ALLOWED_ORIGINS)


def _parsed(answer: str) -> dict[str, Any]:
    if len(answer) > LONGEST_ANSWER:
        raise BadPasskey("too long")
    try:
        parsed = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise BadPasskey("no JSON") from error
    if not isinstance(parsed, dict):
        raise BadPasskey("no object")
    return parsed


def _plain(options: Any) -> dict[str, Any]:
    """The options as JSON has them (WebAuthn level 3, ``PublicKeyCredentialCreationOptionsJSON`` and its sister)."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(options)))["publicKey"]
    return plain
