"""Mistakes in the settings are said by number."""

from __future__ import annotations

from typing import Any

import pytest

from eve_site import checks


def ids(messages: Any) -> list[str]:
    return [message.id for message in messages]


def test_the_tests_own_settings_are_well() -> None:
    for check in (checks.check_secret_key, checks.check_origins, checks.check_proxies, checks.check_ranges):
        assert ids(check()) == []


def test_no_secret_key(settings: Any) -> None:
    settings.SECRET_KEY = ""
    assert ids(checks.check_secret_key()) == ["eve.E001"]


@pytest.mark.parametrize("url", ["eve.example.org", "ftp://eve.example.org", "https://eve.example.org/eve", "https://"])
def test_a_public_url_that_is_no_origin(settings: Any, url: str) -> None:
    settings.PUBLIC_URL = url
    assert ids(checks.check_origins()) == ["eve.E002"]


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
    assert ids(checks.check_origins()) == expected


def test_a_bad_further_origin(settings: Any) -> None:
    settings.ALLOWED_ORIGINS = [settings.PUBLIC_URL, "*"]
    assert ids(checks.check_origins()) == ["eve.E004"]


@pytest.mark.parametrize(
    ("proxies", "expected"), [(["127.0.0.1", "2001:db8::/64"], []), (["*"], ["eve.E003"]), (["proxy"], ["eve.E003"])]
)
def test_proxies(settings: Any, proxies: list[str], expected: list[str]) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert ids(checks.check_proxies()) == expected


@pytest.mark.parametrize("name", checks._RANGES)
def test_ranges(settings: Any, name: str) -> None:
    setattr(settings, name, checks._RANGES[name][2] + 1)
    assert ids(checks.check_ranges()) == ["eve.E005"]
