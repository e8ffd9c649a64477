"""Secrets encrypted at rest."""

from __future__ import annotations

from typing import Any

import pytest

from common.sealing import SealBroken, seal, unseal


def test_what_is_sealed_comes_back() -> None:
    sealed = seal("über secret", purpose="tests")
    assert "secret" not in sealed
    assert sealed != seal("über secret", purpose="tests")
    assert unseal(sealed, purpose="tests") == "über secret"


def test_only_for_its_purpose_under_its_key_and_unchanged(settings: Any) -> None:
    sealed = seal("x", purpose="tests")
    changed = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
    for text, purpose in ((sealed, "else"), (changed, "tests"), ("", "tests"), ("é", "tests")):
        with pytest.raises(SealBroken):
            unseal(text, purpose=purpose)
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(SealBroken):
        unseal(sealed, purpose="tests")
