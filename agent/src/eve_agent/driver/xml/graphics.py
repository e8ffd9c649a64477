"""Graphics devices of a domain: which can be opened by which index, and which stand open to the network."""

from __future__ import annotations

import ipaddress

from lxml import etree

from eve_agent.wire.domain import Graphics, GraphicsKind

_KINDS = {"vnc": GraphicsKind.VNC, "spice": GraphicsKind.SPICE}


def read_graphics(devices: etree._Element) -> tuple[Graphics, ...]:
    """All graphics devices in the order of the document, which is the order that ``virDomainOpenGraphicsFD`` counts in."""
    return tuple(_graphics(index, element) for index, element in enumerate(devices.iterfind("graphics")))


def _graphics(index: int, element: etree._Element) -> Graphics:
    addresses = _addresses(element)
    exposed = [address for address in addresses if not _is_loopback(address)]
    return Graphics(
        kind=_KINDS.get(element.get("type", ""), GraphicsKind.UNKNOWN),
        index=index,
        listen=next(iter(exposed or addresses), ""),
        is_exposed=bool(exposed),
    )


def _addresses(element: etree._Element) -> list[str]:
    """Every TCP address that the device listens on. A ``listen`` of type none or socket has none."""
    listens = element.findall("listen")
    if not listens:
        # Documents from before libvirt 0.9.4, and the attribute that is kept for their readers.
        return [address] if (address := element.get("listen", "")) else []
    return [
        address
        for listen in listens
        if listen.get("type") in ("address", "network") and (address := listen.get("address", ""))
    ]


def _is_loopback(address: str) -> bool:
    """Whether only the host itself reaches `address`. A name other than localhost counts as reachable: better a needless warning."""
    if address == "localhost":
        return True
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)
