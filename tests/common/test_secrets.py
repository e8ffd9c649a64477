"""Secrets have the promised size, and only their digest is needed."""

from __future__ import annotations

import base64

from common.secrets import digest_of, matches, new_public, new_secret


def test_size() -> None:
    assert len(base64.urlsafe_b64decode(new_secret() + "=")) == 32
    assert len(new_secret()) == 43
    assert len(new_public()) == 16


def test_matching() -> None:
    secret = new_secret()
    assert matches(secret, digest_of(secret))
    assert not matches(new_secret(), digest_of(secret))
    assert secret not in digest_of(secret)
