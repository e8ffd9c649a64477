"""Where an agent listens: ``HOST:PORT`` with a host name, an IPv4 address, or an IPv6 address in brackets."""

from __future__ import annotations

import ipaddress
import re

from django.core.exceptions import ValidationError

from common.sentences import gettext_lazy as _

DEFAULT_PORT = 8443
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<other>[^\[\]:]+))(?::(?P<port>[0-9]{1,5}))?")


def parse_address(text: str) -> tuple[str, int]:
    """Host (an IPv6 address without brackets) and port; 8443 where none is given.

    Raises:
        ValueError: `text` is no address; the text says why.
    """
    match = _HOST_AND_PORT.fullmatch(text.strip())
    if match is None:
        if text.count(":") > 1 and "[" not in text:
            raise ValueError(_("an IPv6 address stands in brackets, as in [2001:db8::5]:8443"))
        raise ValueError(_("it takes a host and a port, as in hv1.example.org:8443"))
    port = int(match["port"] or DEFAULT_PORT)
    if not 1 <= port <= 65535:
        raise ValueError(_("a port is a number from 1 to 65535"))
    return (_ipv6(match["six"]) if match["six"] else _host(match["other"])), port


def format_address(host: str, port: int) -> str:
    """The opposite of :func:`parse_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_host_name(text: str) -> bool:
    """Whether `text` is a DNS host name in lower case (RFC 1123, 2.1) and no IP address."""
    return len(text) <= 253 and _HOST_NAME.fullmatch(text) is not None and not text.rsplit(".", 1)[-1].isdigit()


def validate_address(text: str) -> None:
    """Django's validator. Raises ValidationError."""
    try:
        parse_address(text)
    except ValueError as error:
        raise ValidationError(
            _("%(address)s is no address: %(why)s."), code="address", params={"address": text, "why": error.args[0]}
        ) from None


def validate_host_name(text: str) -> None:
    """Django's validator. Raises ValidationError."""
    if not is_host_name(text):
        raise ValidationError(
            _("A hypervisor's name has lower-case letters, digits, hyphens and dots, such as hv1 or hv1.example.org."),
            code="host_name",
        )


def _ipv6(text: str) -> str:
    address, _percent, zone = text.partition("%")
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        raise ValueError(_("what stands in the brackets is no IPv6 address")) from None
    if zone and not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", zone):
        raise ValueError(_("what follows the percent sign is no interface's name"))
    return f"{parsed}%{zone}" if zone else str(parsed)


def _host(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        pass
    host = text.lower().rstrip(".")
    if not is_host_name(host):
        raise ValueError(_("the host is neither a name nor an IP address"))
    return host
