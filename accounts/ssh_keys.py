"""Public SSH keys: what is one, and what it is called by (source: RFC 4253, section 6.6; OpenSSH's ``authorized_keys``)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass

from common.sentences import gettext as _

_LINE = re.compile(
    r"(?P<kind>ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)"
    r" (?P<blob>[A-Za-z0-9+/]{40,16000}={0,2})(?: (?P<comment>[^\x00-\x1f\x7f]{0,200}))?"
)


class NoSshKey(ValueError):
    """A text is no public SSH key; says so in words."""


@dataclass(frozen=True, slots=True)
class SshPublicKey:
    """One key."""

    kind: str
    """Such as ``ssh-ed25519``."""
    blob: str
    comment: str
    fingerprint: str
    """As OpenSSH shows it: ``SHA256:…``."""

    @property
    def line(self) -> str:
        """As it stands in ``authorized_keys``."""
        return f"{self.kind} {self.blob} {self.comment}".rstrip()


def ssh_key_parse(text: str) -> SshPublicKey:
    """The key in one line of text. Raises :class:`NoSshKey`, also for a private key: without its words."""
    text = text.strip()
    if "PRIVATE KEY" in text:
        raise NoSshKey(_("This is a private key. Keep it to yourself, and give the public one: the file ends in .pub."))
    found = _LINE.fullmatch(text)
    inner = _decoded(found["blob"]) if found else b""
    if not found or not _begins_with(inner, found["kind"]):
        raise NoSshKey(
            _("“%(start)s…” is no public SSH key. It is one line, such as: ssh-ed25519 AAAA… name.")
            % {"start": text[:30]}
        )
    digest = base64.b64encode(hashlib.sha256(inner).digest()).decode().rstrip("=")
    return SshPublicKey(found["kind"], found["blob"], (found["comment"] or "").strip(), f"SHA256:{digest}")


def _decoded(blob: str) -> bytes:
    try:
        return base64.b64decode(blob, validate=True)
    except binascii.Error:
        return b""


def _begins_with(inner: bytes, kind: str) -> bool:
    """Whether its bytes say the same kind: their first string is the kind's name."""
    return inner.startswith(struct.pack(">I", len(kind)) + kind.encode())
