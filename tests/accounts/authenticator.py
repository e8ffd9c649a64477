"""A security key made of software, as a browser would speak of it: for what no good one does."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_encode

_PRESENT, _HAS_CREDENTIAL = 0x01, 0x40


class Authenticator:
    """One key pair, for one relying party."""

    def __init__(self, *, party: str = "localhost", origin: str = "http://localhost") -> None:
        self.party, self.origin = party, origin
        self.credential_id = os.urandom(32)
        self.count = 0
        self._key = ec.generate_private_key(ec.SECP256R1())

    def make(self, options: dict[str, Any]) -> str:
        """The browser's answer to ``navigator.credentials.create``."""
        public = cbor.encode(ES256.from_cryptography_key(self._key.public_key()))
        credential = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + public
        data = self._data(_PRESENT | _HAS_CREDENTIAL) + credential
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            attestationObject=websafe_encode(attestation),
            clientDataJSON=websafe_encode(self._client("webauthn.create", options)),
        )

    def prove(self, options: dict[str, Any]) -> str:
        """The browser's answer to ``navigator.credentials.get``."""
        self.count += 1
        data, client = self._data(_PRESENT), self._client("webauthn.get", options)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            authenticatorData=websafe_encode(data),
            clientDataJSON=websafe_encode(client),
            signature=websafe_encode(signature),
        )

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.party.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": self.origin}).encode()

    def _answer(self, **response: str) -> str:
        name = websafe_encode(self.credential_id)
        body = {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}
        return json.dumps(body)
