"""One POST to an address that somebody chose: bounded in time and bytes, never to where Eve does not go.

As with images that are fetched, the address is checked where the socket is made, with the very address that it connects to. No redirect is followed, no
proxy is used, and of the answer no more is read than its status.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httptools
from django.conf import settings
from eve_agent.wire.addresses import is_public

from notifications.errors import AddressRefused, PostFailed

SECONDS: Final = 10.0
"""For one try in all: name, connection, TLS, request and answer."""
MOST_HEAD_BYTES: Final = 64 * 1024
"""Of an answer's head."""
LONGEST_URL: Final = 2000


@dataclass(frozen=True, slots=True)
class Target:
    """Where an address leads."""

    host: str
    port: int
    authority: str
    """As the Host header has it."""
    path: str
    """With the query."""


def target_of(url: str) -> Target:
    """Raises AddressRefused for anything but a plain https address, and for addresses in figures that are not public."""
    if len(url) > LONGEST_URL or not (url.isascii() and url.isprintable()) or " " in url:
        raise AddressRefused
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused from None
    if parts.scheme != "https" or not parts.hostname or port == 0 or "@" in parts.netloc:
        raise AddressRefused
    if _is_in_figures(parts.hostname) and not _is_allowed(parts.hostname):
        raise AddressRefused
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    return Target(parts.hostname, port or 443, parts.netloc, path)


async def post(*, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status of the answer, 2xx.

    Raises:
        AddressRefused: it leads to where Eve does not go.
        PostFailed: everything else: not reached, too slow, too much, another status.
    """
    target = target_of(url)
    try:
        async with asyncio.timeout(SECONDS):
            status = await _asked(target, body, headers)
    except TimeoutError:
        raise PostFailed("too_slow") from None
    except ssl.SSLError:
        raise PostFailed("tls") from None
    except (OSError, UnicodeError, httptools.HttpParserError):
        raise PostFailed("not_reached") from None
    if 300 <= status < 400:
        raise PostFailed("redirect", answer=status)
    if not 200 <= status < 300:
        raise PostFailed("status", answer=status)
    return status


async def _asked(target: Target, body: bytes, headers: Mapping[str, str]) -> int:
    reader, writer = await asyncio.open_connection(
        sock=await _connected(target), ssl=_context(settings.WEBHOOK_CA_BUNDLE), server_hostname=target.host
    )
    try:
        lines = [
            f"POST {target.path} HTTP/1.1",
            f"Host: {target.authority}",
            "User-Agent: eve",
            "Connection: close",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
        await writer.drain()
        return await _status(reader)
    finally:
        writer.transport.abort()


async def _connected(target: Target) -> socket.socket:
    """A socket to the first of the name's addresses that answers. Raises AddressRefused where none may be asked."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    allowed = [each for each in found if _is_allowed(str(each[4][0]))]
    if not allowed:
        raise AddressRefused
    failure: OSError = OSError("no address")
    for family, kind, protocol, _name, address in allowed:
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        try:
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            failure = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failure


async def _status(reader: asyncio.StreamReader) -> int:
    head = _Head()
    parser = head.parser = httptools.HttpResponseParser(head)
    taken = 0
    while not head.status:
        data = await reader.read(4096)
        taken += len(data)
        if not data:
            raise PostFailed("no_answer")
        if taken > MOST_HEAD_BYTES:
            raise PostFailed("too_much")
        parser.feed_data(data)
    return head.status


class _Head:
    """What the parser tells: the final status, once the head is whole. What says 1xx is not final."""

    parser: Any = None
    status = 0

    def on_headers_complete(self) -> None:
        status: int = self.parser.get_status_code()
        if status >= 200:
            self.status = self.status or status


@functools.lru_cache(maxsize=4)
def _context(ca_file: str) -> ssl.SSLContext:
    """The system's roots, and the administrator's own beside them."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _is_in_figures(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_allowed(address: str) -> bool:
    return settings.WEBHOOK_ALLOW_PRIVATE or is_public(address)
