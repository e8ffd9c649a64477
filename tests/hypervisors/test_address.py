"""Where an agent listens, as people write it."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from hypervisors.address import format_address, is_host_name, parse_address, validate_address, validate_host_name


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("hv1.example.org:8443", "hv1.example.org", 8443),
        ("HV1.Example.org.", "hv1.example.org", 8443),
        ("192.0.2.7:443", "192.0.2.7", 443),
        ("[2001:db8::5]:8443", "2001:db8::5", 8443),
        ("[2001:DB8:0::5]", "2001:db8::5", 8443),
        ("[fe80::1%eth0]:9000", "fe80::1%eth0", 9000),
        (" hv1:1 ", "hv1", 1),
    ],
)
def test_addresses_are_understood(text, host, port):
    assert parse_address(text) == (host, port)
    assert parse_address(format_address(host, port)) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":8443",
        "hv1:0",
        "hv1:65536",
        "hv1:x",
        "2001:db8::5",
        "2001:db8::5:8443",
        "[2001:db8::5",
        "[hv1]:8443",
        "[fe80::1%e/0]:1",
        "https://hv1:8443",
        "hv1:8443/path",
        "user@hv1:8443",
        "hv 1:8443",
        "hv_1:8443",
        "-hv1:8443",
        "1.2.3:8443",
        "300.1.1.1",
        "a" * 64 + ":1",
        "hv1\n:8443",
        "hv1:8443\r\nHost: evil",
    ],
)
def test_what_is_no_address_is_refused_in_words(text):
    with pytest.raises(ValidationError) as caught:
        validate_address(text)
    assert "is no address" in caught.value.messages[0]


@pytest.mark.parametrize("name", ["hv1", "hv1.example.org", "a-b.c"])
def test_host_names(name):
    validate_host_name(name)
    assert is_host_name(name)


@pytest.mark.parametrize(
    "name", ["HV1", "hv 1", "hv1.", ".hv", "10.0.0.1", "hv1/", "ä", "", "a" * 254, "*.example.org"]
)
def test_what_is_no_host_name(name):
    with pytest.raises(ValidationError):
        validate_host_name(name)
