"""Which addresses are of the open internet: asked before a connection to wherever somebody named is made."""

from __future__ import annotations

import ipaddress

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether `text` is an address of the open internet; an IPv4 address inside an IPv6 one counts as itself."""
    try:
        address: Ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(found.is_global and not found.is_multicast for found in _meant(address))


def _meant(address: Ip) -> tuple[Ip, ...]:
    if not isinstance(address, ipaddress.IPv6Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address, address.sixtofour)
    if address.teredo is not None:
        return (address, *address.teredo)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    return (address,)
