"""Fetching an image from an address: no redirect, name or address is trusted before the connection that is about to be made.

The check is where the socket is made, with the very address that it will connect to. So a name that resolves anew, a
redirect, and an address in any notation all come to the same place.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from eve_agent.errors import AddressRefused, FetchFailed, FetchTooSlow
from eve_agent.wire.addresses import is_public

MAX_REDIRECTS = 5
CONNECT_SECONDS = 20.0
READ_SECONDS = 60.0
ANSWER_SECONDS = 120.0
"""So long a server may take for the head of an answer."""
PACE_SECONDS = 60.0
"""Over so long it is looked how fast a server sends."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def check_url(url: str) -> None:
    """Raises AddressRefused for anything but plain http and https with a host and without credentials."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("The address is no valid one.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise AddressRefused("Only http:// and https:// addresses can be fetched.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("The address holds a name or password; such images have to be uploaded.")


@asynccontextmanager
async def opened(url: str, *, offset: int, etag: str, allow_private: bool) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of the server where `url` ends up, with status 200 or 206 (the latter only if asked for by an `offset`).

    Raises:
        AddressRefused: an address on the way is not allowed.
        FetchFailed: the server cannot be reached or does not have it.
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": "eve-agent"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if etag:
            headers["If-Range"] = etag
    refused: list[str] = []
    connector = aiohttp.TCPConnector(
        use_dns_cache=False, force_close=True, socket_factory=_socket_factory(allow_private, refused)
    )
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        try:
            response = await _followed(session, url, headers)
        except aiohttp.InvalidURL:
            raise AddressRefused("The address is no valid one.") from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if refused:
                raise AddressRefused(
                    f"The address leads to {refused[0]}, which is not on the open internet. "
                    "An administrator can allow private addresses."
                ) from None
            raise as_fetch_error(error) from error
        async with response:
            yield response


class Pace:
    """How fast a server sends."""

    def __init__(self, least_bytes_per_second: int) -> None:
        self._least = least_bytes_per_second
        self._since = time.monotonic()
        self._count = 0

    def advance(self, byte_count: int) -> None:
        """So many bytes came. Raises FetchTooSlow where they were too few since it was looked last."""
        self._count += byte_count
        seconds = time.monotonic() - self._since
        if seconds < PACE_SECONDS:
            return
        if self._count < self._least * seconds:
            raise FetchTooSlow(
                f"The server to fetch from sent {self._count / seconds:.0f} bytes a second; it has to send {self._least}."
            )
        self._since, self._count = time.monotonic(), 0


def as_fetch_error(error: BaseException) -> FetchFailed:
    """What a failed connection means."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return FetchFailed("The server to fetch from does not answer in time.")
    if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
        return FetchFailed("The server to fetch from has no certificate that this host trusts.")
    words = "".join(character if character.isprintable() else " " for character in str(error))[:200]
    return FetchFailed(f"The server to fetch from cannot be reached, or broke off: {words or type(error).__name__}")


async def _followed(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
    for _ in range(MAX_REDIRECTS + 1):
        check_url(url)
        async with asyncio.timeout(ANSWER_SECONDS):
            response = await session.get(url, headers=headers, allow_redirects=False)
        if response.status not in _REDIRECTS:
            break
        further = urljoin(url, response.headers.get("Location", ""))
        response.close()
        if url.startswith("https:") and not further.startswith("https:"):
            raise AddressRefused("The server leads from https to an address without; that is not followed.")
        url = further
    else:
        raise FetchFailed(f"The server leads on more than {MAX_REDIRECTS} times.")
    expected = (200, 206) if "Range" in headers else (200,)
    if response.status not in expected:
        status = response.status
        response.close()
        raise FetchFailed(f"The server to fetch from answered {status}. Is the address right?")
    return response


def _socket_factory(allow_private: bool, refused: list[str]) -> Any:
    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not allow_private and not is_public(str(address[0])):
            refused.append(str(address[0]))
            raise OSError("not on the open internet")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return make
