"""Addresses and request ids."""

from __future__ import annotations

import pytest
from django.test import Client

from common.context import RequestContext, clean_address, current_context, request_context


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        (None, None),
        ("unix:", None),
        ("192.0.2.1:80", None),
    ],
)
def test_clean_address(text: str | None, expected: str | None) -> None:
    assert clean_address(text) == expected


def test_the_context_ends_with_its_block() -> None:
    with request_context(RequestContext(address="192.0.2.1")) as context:
        assert current_context() is context
    assert current_context().address is None


def test_every_answer_names_its_request(client: Client) -> None:
    first, second = client.get("/healthz"), client.get("/healthz")
    assert first["X-Request-ID"] != second["X-Request-ID"]


def test_no_query_in_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/healthz?ticket=canary-in-the-query")
    assert caplog.records
    assert "canary-in-the-query" not in caplog.text
