"""What the tests of accounts share: places to come from, a count of password hashes, announcements that were made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher

from accounts.signals import access_revoked

NEW_PASSWORD = "another long battery 9"


class Hashes:
    """How often a password was hashed."""

    def __init__(self) -> None:
        self.count = 0

    @contextlib.contextmanager
    def counted(self) -> Iterator[Callable[[], int]]:
        before = self.count
        yield lambda: self.count - before


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Hashes:
    """Counts what Argon2 is asked for: making and checking cost the same."""
    counter = Hashes()

    def counting(real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            counter.count += 1
            return real(*args, **kwargs)

        return counted

    for name in ("encode", "verify"):
        monkeypatch.setattr(Argon2PasswordHasher, name, counting(getattr(Argon2PasswordHasher, name)))
    return counter


@pytest.fixture
def revoked() -> Iterator[list[dict[str, Any]]]:
    """What was announced to the apps above."""
    heard: list[dict[str, Any]] = []

    def hear(sender: Any, **said: Any) -> None:
        heard.append({name: value for name, value in said.items() if name != "signal"})

    access_revoked.connect(hear, weak=False)
    yield heard
    access_revoked.disconnect(hear)


@pytest.fixture
def mails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail is sent before the answer, so that the test sees it."""
    monkeypatch.setattr("accounts.mail._sender.submit", lambda function, *args: function(*args))


def link_in(text: str) -> str:
    """The secret of a set-password link somewhere in `text`."""
    address = next(word for word in text.split() if "/password/set/?" in word)
    return parse_qs(urlsplit(address).query)["link"][0]
