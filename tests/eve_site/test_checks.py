"""Mistakes in the settings are said by number."""

from __future__ import annotations

from typing import Any

import pytest

from eve_site import checks
from eve_site.environment import Environment


def ids(messages: Any) -> list[str]:
    return [message.id for message in messages]


def test_the_tests_own_settings_are_well() -> None:
    for check in (checks.check_environment, checks.check_secret_key, checks.check_plain_http):
        assert ids(check()) == []
    assert checks.mistakes() == []


def test_no_secret_key(settings: Any) -> None:
    settings.SECRET_KEY = ""
    assert ids(checks.check_secret_key()) == ["eve.E001"]
    assert checks.mistakes() == [
        "There is no secret key. Set EVE_SECRET_KEY_FILE to a file that holds 50 or more random characters. (eve.E001)"
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://eve.example.org", ["eve.W001"]),
        ("https://eve.example.org", []),
        ("http://[::1]:8000", []),
        ("http://localhost:8000", []),
    ],
)
def test_plain_http_beyond_loopback(settings: Any, url: str, expected: list[str]) -> None:
    settings.PUBLIC_URL = url
    assert ids(checks.check_plain_http()) == expected


def test_what_the_environment_minds(settings: Any) -> None:
    settings.ENVIRONMENT = Environment({"EVE_PORT": "0", "EVE_PROT": "80", "EVE_DEBUG": "perhaps"})
    settings.ENVIRONMENT.whole("EVE_PORT", 8000, least=1, most=65535)
    settings.ENVIRONMENT.flag("EVE_DEBUG", default=False)
    assert ids(checks.check_environment()) == ["eve.E005", "eve.E006"]
    settings.ENVIRONMENT = Environment({"EVE_CONSOLE_TICKET_SECOND": "5"})
    settings.ENVIRONMENT.whole("EVE_CONSOLE_TICKET_SECONDS", 30, least=5, most=300)
    assert ids(checks.check_environment()) == ["eve.W002"]
    assert checks.mistakes() == []
