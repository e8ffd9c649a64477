"""The kernel's table of neighbours: which addresses answer at which card on a bridge (ARP, and NDP for IPv6).

libvirt 9.0 does not read what newer kernels answer (``wrong nlmsg len``), so the kernel is asked here. It needs no privilege.
Source: rtnetlink(7), ``linux/neighbour.h``.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("=IHHII")
"""``nlmsghdr``: length, type, flags, sequence number, port."""
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
"""``ndmsg``: family, index of the interface, state, flags, type."""
_ATTRIBUTE = struct.Struct("=HH")
"""``nlattr``: length, type."""
_NLMSG_ERROR, _NLMSG_DONE, _NEW_NEIGHBOUR, _GET_NEIGHBOUR = 2, 3, 28, 30
_REQUEST_ALL = 0x1 | 0x300
_ADDRESS, _MAC, _INTERFACE = 1, 2, 8
_ANSWERED = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""Reachable, stale, asked again (delay, probe), or set by hand; neither unanswered nor multicast."""
_MAC_BYTES = 6
_ANSWER_SECONDS = 1.0
_ANSWER_BYTES = 2**18


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An address that was seen at a card."""

    mac: str
    """In lower case, with colons."""
    address: str


def neighbours(bridge: str) -> tuple[Neighbour, ...]:
    """Those of one interface; none where it is gone. Raises OSError where the kernel does not tell."""
    try:
        index = socket.if_nametoindex(bridge)
    except OSError:
        return ()
    interface = _ATTRIBUTE.pack(_ATTRIBUTE.size + 4, _INTERFACE) + struct.pack("=I", index)
    body = _NEIGHBOUR.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + interface
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_ANSWER_SECONDS)
        kernel.bind((0, 0))
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _GET_NEIGHBOUR, _REQUEST_ALL, 1, 0) + body)
        return tuple(found for message in _answers(kernel) for found in _neighbours(message, index))


def _answers(kernel: socket.socket) -> Iterator[bytes]:
    """The bodies of the messages about neighbours, up to the last."""
    while True:
        data = kernel.recv(_ANSWER_BYTES)
        while len(data) >= _HEADER.size:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", data, _HEADER.size)
                raise OSError(-code, "the kernel does not tell its neighbours")
            if kind == _NEW_NEIGHBOUR:
                yield data[_HEADER.size : length]
            data = data[_aligned(length) :]


def _neighbours(message: bytes, wanted_index: int) -> Iterator[Neighbour]:
    """The neighbour of a message, if it is of that interface and answered; older kernels tell those of all."""
    _, index, state, _, _ = _NEIGHBOUR.unpack_from(message)
    attributes = dict(_attributes(message[_NEIGHBOUR.size :]))
    address, mac = attributes.get(_ADDRESS, b""), attributes.get(_MAC, b"")
    if index == wanted_index and state & _ANSWERED and address and len(mac) == _MAC_BYTES:
        yield Neighbour(mac=mac.hex(":"), address=str(ipaddress.ip_address(address)))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    """Where what follows begins; ahead in any case."""
    return max(4, (length + 3) & ~3)
